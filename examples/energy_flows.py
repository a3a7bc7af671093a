"""Training without a likelihood: by the energy score of draws.

    python examples/energy_flows.py [--epochs 30] [--out DIR]

Wind at two places follows a weather that we know: its spread grows with the season, and
the two go together. Three models of (speed here, speed there) given the season train on
the same rows: an implicit distribution, which is known by its draws alone; a
semi-autoregressive flow by the energy score, the second place given the first; and the
same flow by likelihood. Held out, all are judged by their draws: energy score, CRPS
and how often 90 % intervals hold; the flows also have a likelihood, which training by
the score does not look at. Two minutes on two cores; the picture needs the extra `cli`.

Si et al. (2023), "Semi-Autoregressive Energy Flows", arXiv:2206.06672.
"""

import argparse
import pathlib
from typing import Any

import keras
import numpy as np

from tfp_flows.architectures import semi_autoregressive_flow
from tfp_flows.diagnostics import crps, energy_distance, interval_coverage
from tfp_flows.distributions import ImplicitDistribution
from tfp_flows.models import FlowModel
from tfp_flows.objectives import EnergyScore


def weather(num_rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Speeds [N, 2], skewed and joined, and the season in [0, 1], [N, 1]."""
    rng = np.random.default_rng(seed)
    season = rng.uniform(size=[num_rows, 1])
    common = rng.gamma(2.0, 1.0 + 2.0 * season)
    gusts = rng.normal(size=[num_rows, 2]) * (0.3 + season)
    there = 0.5 * common + np.sin(common) + 5.0
    return np.concatenate([common, there], axis=1) + gusts, season


def models(seed: int) -> dict[str, FlowModel]:
    """Three ways to the same conditional distribution, untrained."""
    options: dict[str, Any] = {"hidden_sizes": (64, 64), "context_size": 1}

    def blocks() -> Any:
        return semi_autoregressive_flow([1, 1], num_layers=2, seed=seed, **options)

    implicit = ImplicitDistribution(2, seed=seed, **options)
    return {
        "implicit, by score": FlowModel(implicit, objective=EnergyScore()),
        "blocks, by score": FlowModel(
            blocks(), objective=EnergyScore(teacher_forcing=True)
        ),
        "blocks, by likelihood": FlowModel(blocks()),
    }


def judge(
    name: str,
    model: FlowModel,
    x: np.ndarray,
    season: np.ndarray,
    deviation: np.ndarray,
) -> float:
    """Prints one line, and returns the energy score."""
    draws = model.sample(99, context=season, seed=1).numpy()
    score = float(np.mean(EnergyScore(scale=deviation.tolist()).score(x, draws)))
    held = interval_coverage(x, draws, 0.9).share
    # One draw a row against the rows: do the two places go together?
    both = [np.concatenate([part, season], axis=1) for part in (x, draws[0])]
    apart = energy_distance(*(part / part.std(axis=0) for part in both))
    nats = "none"
    if model.has_density:
        nats = f"{np.mean(model.log_prob(x, season)):.3f} nats"
    print(
        f"{name:<22} energy score {score:.4f}, CRPS {crps(x, draws).mean(axis=0)}, "
        f"90% hold {held}, distance {apart.statistic:.4f} (null {apart.null:.4f} ± "
        f"{apart.error:.4f}), likelihood {nats}"
    )
    return score


def draw(folder: pathlib.Path, model: FlowModel, x: np.ndarray, c: np.ndarray) -> None:
    """Writes the intervals of one model against the truth."""
    from tfp_flows.diagnostics import plots

    draws = model.sample(199, context=c, seed=2).numpy()
    figure = plots.forecast_intervals(x, draws, ["here", "there"])
    (folder / "energy_flows.png").write_bytes(plots.png(figure))


def main(epochs: int = 30, num_rows: int = 8_000, out: str | None = None) -> float:
    """Runs the example; returns minus the least energy score."""
    x, season = weather(num_rows, seed=0)
    held_out = weather(1_000, seed=1)
    scores = []
    for name, model in models(seed=0).items():
        keras.utils.set_random_seed(0)
        steps = epochs * -(-num_rows // 200)
        schedule = keras.optimizers.schedules.CosineDecay(2e-3, steps)
        model.compile(keras.optimizers.Adam(schedule))
        model.fit(x, season, epochs=epochs, batch_size=200, verbose=0)
        scores.append(judge(name, model, *held_out, x.std(axis=0)))
        if out is not None and name == "blocks, by score":
            draw(pathlib.Path(out), model, *held_out)
    return -min(scores)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--out", help="folder of the picture; default: no picture")
    options = parser.parse_args()
    with np.printoptions(precision=3):
        main(options.epochs, out=options.out)
