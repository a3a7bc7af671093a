"""A continuous flow whose paths are nearly straight, and one whose paths are not.

    python examples/trajectory_regularized_flows.py [--epochs 60] [--out DIR]

A continuous flow moves each row along dx/dt = v(t, x), and many velocities carry the
data to the same base. A solver pays for bends with calls of the velocity. Trained by
the likelihood alone, and with `TrajectoryPolynomial`, which asks for paths near a line
run at constant speed (Huang, Yeh 2021, arXiv:2012.04228). Prints the held-out nats and
the calls at one common tolerance, and draws paths and densities at five times. Some
minutes on two cores; the picture needs the extra `cli`.
"""

import argparse
import pathlib
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

from tfp_flows import data
from tfp_flows.bijectors import Continuous
from tfp_flows.models import FlowModel
from tfp_flows.networks import VelocityMLP
from tfp_flows.objectives import TrajectoryPolynomial
from tfp_flows.ode import AdaptiveSteps, Solver, solve

BASE = tfd.MultivariateNormalDiag(tf.zeros(2), tf.ones(2))


def trained(rows: np.ndarray, penalties: list, epochs: int) -> FlowModel:
    """A continuous flow on N(0, I), by the likelihood and `penalties`."""
    keras.utils.set_random_seed(0)
    layer = Continuous(
        VelocityMLP(2, hidden_sizes=(64, 64), seed=0),
        training_solver=Solver(steps=AdaptiveSteps(1e-4, 1e-4, "batch")),
    )
    flow = tfd.TransformedDistribution(BASE, tfb.Invert(layer))
    model = FlowModel(flow, penalties=penalties)
    steps = epochs * -(-len(rows) // 256)
    rate = keras.optimizers.schedules.CosineDecay(5e-3, steps)
    model.compile(keras.optimizers.Adam(rate))
    model.fit(rows, epochs=epochs, batch_size=256, verbose=2)
    return model


def paths(layer: Continuous, rows: np.ndarray) -> np.ndarray:
    """The rows at 41 times from 0 to T, [41, N, 2]."""
    found = solve(
        layer.velocity,
        tf.constant(rows),
        (0.0, layer.end_time),
        save_at=np.linspace(0, 1, 41),
        solver=layer.solver,
    )
    return found.saved.numpy()


def density_at(layer: Continuous, part: float) -> Callable[[np.ndarray], np.ndarray]:
    """Returns log p_t of x(t), t that part of the way from data to base."""
    times = (part * layer.end_time, layer.end_time)

    def velocity(t: tf.Tensor, state: tuple) -> tuple:
        return layer.network.with_divergence(state[0], t=t)

    @tf.function(autograph=False)
    def log_density(x: tf.Tensor) -> tf.Tensor:
        start = (x, tf.zeros_like(x[:, 0]))
        z, log_det = solve(velocity, start, times, solver=layer.solver).state
        return BASE.log_prob(z) + log_det

    return lambda x: log_density(tf.constant(x, tf.float32)).numpy()


def draw(layers: dict[str, Continuous], rows: np.ndarray, path: pathlib.Path) -> None:
    """Writes the picture: a row for each flow."""
    from tfp_flows.diagnostics import plots

    densities = [
        {f"t = {part:g} T": density_at(layer, part) for part in np.linspace(0, 1, 5)}
        for layer in layers.values()
    ]
    ways = {name: paths(layer, rows[:80]) for name, layer in layers.items()}
    title = "Straighter paths take fewer calls of the velocity"
    figure = plots.density_maps(rows, densities, paths=ways, title=title)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(plots.png(figure, dpi=100))
    print(f"wrote {path}")


def main(
    epochs: int = 60,
    num_rows: int = 8_000,
    name: str = "spirals",
    out: pathlib.Path | None = None,
) -> float:
    """Trains both; returns the held-out nats a row of the one with the penalty."""
    rows = data.load(name).values.astype("float32")
    rows, held_out = rows[:num_rows], rows[-2_000:]
    layers, nats = {}, 0.0
    for label, penalties in (("plain", []), ("penalty", [TrajectoryPolynomial(1.0)])):
        model = trained(rows, penalties, epochs)
        found = model.evaluate(held_out, verbose=0, return_dict=True)
        nats, calls = -found["loss"], found["calls"]
        print(f"{label}: {nats:.3f} nats held out, {calls:.1f} calls a row")
        (layers[f"{label} {nats:.2f}, {calls:.0f} calls"],) = model.continuous_layers
    if out is not None:
        draw(layers, held_out, out / f"continuous_{name}.png")
    return nats


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--set", default="spirals", help="a built-in toy set")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs"))
    arguments = parser.parse_args()
    main(arguments.epochs, name=arguments.set, out=arguments.out)
