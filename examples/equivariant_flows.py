"""Particles: a flow trained by matching answers for their energy, with weights.

    python examples/equivariant_flows.py [--epochs 80] [--rows 10000] [--likelihood 0]
        [--out runs]

An E(n)-equivariant continuous flow learns draws of exp(−U), four particles with a
double well between each two, by flow matching along paths that are shortest up to
rotations and permutations. Its own draws then get the weights exp(−U) / q, with which
they answer for the energy itself, each answer with an error and all with a verdict
whether to believe them.

Reference: Garcia Satorras et al. (2021), arXiv:2105.09016; Klein et al. (2023),
arXiv:2306.15030.
"""

import argparse
import pathlib

import keras
import numpy as np
import tensorflow as tf

from tfp_flows.architectures import equivariant_flow
from tfp_flows.energies import PARTICLE_SYSTEMS, sample_particles
from tfp_flows.estimation.importance import WeightedDraws
from tfp_flows.models import FlowModel, reweight
from tfp_flows.objectives import FlowMatching

SYSTEM = PARTICLE_SYSTEMS["dw4"]
BATCH, HELD_OUT, DRAWS = 256, 2_000, 10_000
# By annealed importance sampling; no density can have less than the entropy.
ENTROPY, MEAN_ENERGY, LOG_Z = 7.14, -22.51, 29.66


def energy(x: np.ndarray | tf.Tensor) -> np.ndarray:
    """U of rows, in float64."""
    return SYSTEM.energy(tf.cast(x, "float64")).numpy()


def train(model: FlowModel, rows: np.ndarray, epochs: int, rate: float) -> None:
    """Trains at a rate that falls to zero along a cosine."""
    steps = -(-len(rows) // BATCH) * epochs
    schedule = keras.optimizers.schedules.CosineDecay(rate, steps)
    # The average of the last weights: matching is noisy.
    optimizer = keras.optimizers.Adam(schedule, use_ema=True, ema_momentum=0.999)
    model.compile(optimizer, jit_compile=False)
    model.fit(rows, epochs=epochs, batch_size=BATCH, verbose=0)


def held_out_nats(model: FlowModel, rows: np.ndarray) -> float:
    """Mean log-density of the rows."""
    return float(np.mean(model.predict(rows, batch_size=500, verbose=0)))


def draw(held_out: np.ndarray, weighted: WeightedDraws, path: pathlib.Path) -> None:
    """Writes the picture: data against draws as they are and with their weights."""
    from tfp_flows.diagnostics import plots

    energies = energy(held_out), energy(weighted.draws)
    figure = plots.distances_and_energies(
        held_out, weighted.draws, energies, shares=weighted.shares
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(plots.png(figure, dpi=100))
    print(f"wrote {path}")


def main(
    epochs: int = 80,
    num_rows: int = 10_000,
    likelihood: int = 0,
    out: pathlib.Path | None = None,
) -> float:
    """Trains, weights, compares; returns the held-out nats a row."""
    keras.utils.set_random_seed(0)
    x = sample_particles(SYSTEM, num_rows + HELD_OUT).astype("float32")
    rows, held_out = x[:num_rows], x[num_rows:]
    virial = np.asarray(SYSTEM.virial(x))
    error = virial.std() / len(virial) ** 0.5
    print(f"virial of the data {virial.mean():.2f} ± {error:.2f}, of exp(−U) 6")
    flow = equivariant_flow(SYSTEM.num_particles, SYSTEM.dimension, seed=0)
    model = FlowModel(flow, objective=FlowMatching(coupling="orbit"))
    train(model, rows, epochs, 4e-3)
    nats = held_out_nats(model, held_out)
    print(f"matching: {nats:.3f} nats, at most {-ENTROPY}")
    if likelihood:
        model = FlowModel(flow)
        train(model, rows, likelihood, 1e-3)
        nats = held_out_nats(model, held_out)
        print(f"likelihood after it: {nats:.3f} nats")
    mirrored = held_out[:100, ::-1] * np.array([1, -1], "float32") + 5
    change = model.log_prob(mirrored) - model.log_prob(held_out[:100])
    print(f"mirrored, permuted and shifted: {np.abs(change).max():.0e} nats apart")
    weighted = reweight(model, energy, DRAWS, batch_size=1_000, verbose=0)
    print(weighted)
    mean, error = weighted.mean(energy)
    print(f"mean energy {mean:.2f} ± {error:.2f}, known {MEAN_ENERGY}; log Z {LOG_Z}")
    if out is not None:
        draw(held_out, weighted, out / "equivariant_flows.png")
    return nats


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=80, help="of matching")
    parser.add_argument("--rows", type=int, default=10_000, help="of training")
    parser.add_argument("--likelihood", type=int, default=0, help="epochs after it")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs"))
    arguments = parser.parse_args()
    main(arguments.epochs, arguments.rows, arguments.likelihood, arguments.out)
