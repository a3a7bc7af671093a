"""Two instruments that measured different samples, brought to one scale and back.

    python examples/alignment.py [--epochs 40] [--out DIR]

The second instrument bends and turns what the first one sees; no sample was measured
by both. Flows of both domains meet in one latent space: each row of one becomes a row
of the other, and comes back exactly. Beside it stands the best linear map between the
moments. Prints energy distances of held-out rows, and the error against the bend that
nobody was shown; draws the way of the rows. A minute on two cores; needs the extra
`cli`. AlignFlow: Grover et al. (2020), arXiv:1905.12892.
"""

import argparse
import pathlib

import keras
import numpy as np

from tfp_flows.data.builtin.toys import moons
from tfp_flows.diagnostics import energy_distance, plots
from tfp_flows.models import AlignFlow


def bend(x: np.ndarray) -> np.ndarray:
    """What the second instrument makes of a sample."""
    turn = np.deg2rad(20.0)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    y = x @ rotation.T
    return np.stack([2 * y[:, 0] + 3, np.sinh(y[:, 1]) - 1], axis=1)


def distance(x: np.ndarray, y: np.ndarray) -> float:
    """Energy distance in standard deviations of y."""
    scale = y.std(axis=0)
    return energy_distance(y / scale, x / scale).statistic


def main(
    epochs: int = 40, num_rows: int = 4000, out: pathlib.Path | None = None
) -> float:
    """Trains, prints, and returns how the distance of held-out rows has changed."""
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    x, y = moons(num_rows, rng), bend(moons(num_rows, rng))
    held_out, goal = moons(num_rows // 4, rng), bend(moons(num_rows // 4, rng))

    model = AlignFlow.for_tables(["first", "second"], event_size=2, seed=0)
    steps = epochs * -(-num_rows // 256)
    rate = keras.optimizers.schedules.CosineDecay(2e-3, steps)
    model.compile(keras.optimizers.Adam(rate))
    model.adapt({"first": x, "second": y})
    linear = model.translate(held_out, "first", "second").numpy()
    model.fit({"first": x, "second": y}, epochs=epochs, verbose=0)
    translated = model.translate(held_out, "first", "second").numpy()
    back = model.translate(translated, "second", "first").numpy()

    before = distance(held_out, goal)
    print(f"{'':<12}{'distance':>10}{'error':>10}")
    for name, rows in (
        ("untouched", held_out),
        ("linear", linear),
        ("AlignFlow", translated),
    ):
        error = np.sqrt(np.mean((rows - bend(held_out)) ** 2))
        print(f"{name:<12}{distance(rows, goal):>10.4f}{error:>10.3f}")
    print(f"there and back: {np.abs(back - held_out).max():.1e}")
    if out is not None:
        figure = plots.translation_field(
            held_out, translated, goal, ["x0", "x1"], model.domains
        )
        out.mkdir(parents=True, exist_ok=True)
        (out / "alignment.png").write_bytes(plots.png(figure))
    return distance(translated, goal) - before


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--out", type=pathlib.Path)
    arguments = parser.parse_args()
    main(epochs=arguments.epochs, out=arguments.out)
