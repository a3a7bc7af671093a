"""A boosted mixture against one flow, matched to energies on the plane.

    python -m tests.benchmarks.energy_matching [--seeds 0 1 2] [--steps 3000]

Equal numbers of parameters and of steps: "single" has C · K couplings, "boosted" C
components of K couplings, each with its share of the steps; "component" is one of
these alone with all steps. KL(G ‖ p) in nats by sums over a grid. Beyond [−4, 4]² a
quadratic wall is added to the energy, so that the waves are proper densities.
"""

import argparse
import statistics
import time

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import bijectors as tfb

from tfp_flows.bijectors import Coupling
from tfp_flows.models import BoostedPosterior, VariationalMixture
from tfp_flows.objectives import ENERGIES

SIDE = np.linspace(-6.0, 6.0, 601)
CELL = (SIDE[1] - SIDE[0]) ** 2
GRID = np.stack(np.meshgrid(SIDE, SIDE), axis=-1).reshape(-1, 2).astype("float32")
EPOCHS = 10


def bounded(energy):
    """The energy with a wall around [−4, 4]²."""

    def walled(z):
        beyond = tf.nn.relu(tf.abs(z) - 4.0)
        return energy(z) + 10.0 * tf.reduce_sum(tf.square(beyond), axis=-1)

    return walled


def couplings(count, offset):
    """A chain of couplings; the offset makes components differ in their masks."""
    return tfb.Chain(
        [
            Coupling(
                2,
                flip=(index + offset) % 2 == 1,
                hidden_sizes=(32, 32),
                activation="tanh",
                name=f"coupling_{index}",
            )
            for index in range(count)
        ]
    )


def divergence(model, energy):
    """KL(G ‖ p) on the grid, and the mass of G on it."""
    log_density = model.log_prob(GRID).numpy().astype("float64")
    values = energy(GRID).numpy().astype("float64")
    log_normalizer = np.log(np.sum(np.exp(-values)) * CELL)
    density = np.exp(log_density)
    excess = np.where(density > 0, log_density, 0.0) + values + log_normalizer
    return float(np.sum(density * excess) * CELL), float(np.sum(density) * CELL)


def train(energy, components, count, arguments, seed):
    """Trains `components` components of `count` couplings."""
    keras.utils.set_random_seed(seed)
    posterior = BoostedPosterior(
        lambda index: couplings(count, index),
        components,
        entropy_weight=arguments.entropy_weight,
    )
    model = VariationalMixture(energy, 2, posterior, base_scale=2.0)
    model.compile(keras.optimizers.Adam(2e-3))
    steps = arguments.steps // (components * EPOCHS)
    model.fit(steps_per_epoch=steps, epochs=EPOCHS, verbose=0)
    return model


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--energies", nargs="+", default=list(ENERGIES))
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--components", type=int, default=3)
    parser.add_argument("--couplings", type=int, default=2)
    parser.add_argument("--entropy-weight", type=float, default=0.8)
    arguments = parser.parse_args()
    components, count = arguments.components, arguments.couplings
    kinds = {
        "component": (1, count),
        "single": (1, components * count),
        "boosted": (components, count),
    }
    for name in arguments.energies:
        energy = bounded(ENERGIES[name])
        for kind, (number, length) in kinds.items():
            found, start = [], time.perf_counter()
            for seed in arguments.seeds:
                model = train(energy, number, length, arguments, seed)
                kl, mass = divergence(model, energy)
                found.append(kl)
            seconds = (time.perf_counter() - start) / len(found)
            print(
                f"{name:6} {kind:10} KL {statistics.mean(found):6.3f} ± "
                f"{statistics.pstdev(found):5.3f}  mass {mass:.4f}  weights "
                f"{np.round(model.mixture_weights.numpy(), 2)}  {seconds:4.0f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
