"""Calls of a likelihood with and without trajectory polynomial regularization.

    python -m tests.benchmarks.trajectory_regularization [--steps 4000] [--seeds 3]
        [--sets spirals magic …] [--alphas 0 5 50]

The paper's eight toy sets, divided by their deviation, or tables, whitened by four
fifths of their rows, which training draws from (mnist5k: images pooled to 7 × 7). One
velocity of 3 × 64 tanh units, of 2 × 64 for tables, T = 0.5, N(0, I), batch 128, Adam
1e-3 falling to 0 along a cosine, trained with steps shared by the batch at tolerance
1e-4 under XLA; exact trace. Tested on up to 4,000 other rows at one common tolerance,
1e-5, each row with its own steps: negative log-likelihood in nats of the raw rows (of a
table, of the whitened ones), calls a row (mean and most), and the penalty of unit
weight. The last two columns of calls are Dormand–Prince with a step for the whole
batch: at 1e-5, and at rtol 1e-6 and atol 1e-8. The published scripts compare the last
column without a penalty with the one before it with a penalty.

Paper: Huang and Yeh (2021), arXiv:2012.04228; its abstract: 42 % to 71 % fewer calls.
"""

import argparse
import functools
import time

import keras
import numpy as np
import tensorflow as tf
from sklearn.datasets import make_circles, make_swiss_roll
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

from tfp_flows import data
from tfp_flows.bijectors import Continuous, PathOptions
from tfp_flows.data.builtin.toys import TOYS
from tfp_flows.models import FlowModel
from tfp_flows.networks import VelocityMLP
from tfp_flows.objectives import TrajectoryPolynomial, polynomial_residual
from tfp_flows.ode import AdaptiveSteps, Solver

BATCH, WIDTH, TEST_ROWS = 128, 64, 4000
TRAINING = Solver(steps=AdaptiveSteps(1e-4, 1e-4, "batch", max_steps=64))


def circles(num_rows, rng):
    seed = int(rng.integers(2**31))
    return 3 * make_circles(num_rows, noise=0.08, factor=0.5, random_state=seed)[0]


def swissroll(num_rows, rng):
    seed = int(rng.integers(2**31))
    return make_swiss_roll(num_rows, noise=1.0, random_state=seed)[0][:, [0, 2]] / 5


SETS = {name: draw for name, (_, draw) in TOYS.items()}
SETS |= {"circles": circles, "swissroll": swissroll}


class Toy:
    """Fresh rows divided by their deviation."""

    size = 2

    def __init__(self, name):
        self.draw = SETS[name]
        raw = self.draw(100_000, np.random.default_rng(0))
        self.scale = raw.std()
        self.nats = 2 * np.log(self.scale)

    def train(self, count, rng):
        return self.draw(count, rng) / self.scale

    def test(self):
        rows = self.draw(TEST_ROWS, np.random.default_rng([99, 1]))
        return rows / self.scale


class Table:
    """Rows that training draws with replacement, whitened; a fifth is held out."""

    nats = 0.0

    def __init__(self, name):
        rows = data.load(name).values
        if name == "mnist5k":
            # Means of 4 × 4 pixels, and noise of one step of these.
            rows = rows.reshape(-1, 7, 4, 7, 4).mean(axis=(2, 4)).reshape(-1, 49)
            rows += np.random.default_rng(1).uniform(0, 1 / 16, size=rows.shape)
        rows = rows[np.random.default_rng(0).permutation(len(rows))]
        # Copies of a column have no density.
        _, first = np.unique(rows, axis=1, return_index=True)
        rows = rows[:, np.sort(first)]
        self.held_out, rows = rows[: len(rows) // 5], rows[len(rows) // 5 :]
        self.mean, half = rows.mean(axis=0), np.linalg.cholesky(np.cov(rows.T))
        self.whiten = np.linalg.inv(half).T
        self.rows, self.size = (rows - self.mean) @ self.whiten, rows.shape[1]

    def train(self, count, rng):
        return self.rows[rng.integers(len(self.rows), size=count)]

    def test(self):
        return (self.held_out[:TEST_ROWS] - self.mean) @ self.whiten


def network(size, seed):
    hidden_sizes = (WIDTH,) * (3 if size == 2 else 2)
    return VelocityMLP(size, hidden_sizes=hidden_sizes, seed=seed)


def new_model(size, alpha, steps):
    layer = Continuous(network(size, 0), end_time=0.5, training_solver=TRAINING)
    base = tfd.MultivariateNormalDiag(tf.zeros(size), tf.ones(size))
    flow = tfd.TransformedDistribution(base, tfb.Invert(layer))
    penalties = [TrajectoryPolynomial(alpha)] if alpha else []
    model = FlowModel(flow, penalties=penalties)
    rate = keras.optimizers.schedules.CosineDecay(1e-3, steps)
    model.compile(keras.optimizers.Adam(rate), jit_compile=True)
    model.optimizer.build(model.trainable_variables)
    return model, layer


def train(model, layer, source, seed, steps):
    """From new weights; the optimizer starts anew too."""
    layer.network.set_weights(network(source.size, seed).get_weights())
    for variable in model.optimizer.variables:
        variable.assign(tf.zeros_like(variable))
    keras.utils.set_random_seed(seed)
    rows = source.train(steps * BATCH, np.random.default_rng([seed, 0]))
    batches = tf.data.Dataset.from_tensor_slices(rows.astype("float32")).batch(BATCH)
    model.fit(batches, verbose=0)


class Test:
    """The three solvers, compiled once for all models' weights."""

    def __init__(self, size):
        def built(solver):
            layer = Continuous(network(size, 0), end_time=0.5, solver=solver)

            @tf.function(autograph=False)
            def run(x):
                options = PathOptions(num_times=2)
                path = layer.path(x, options=options, seed=tf.constant([0, 1]))
                log_det = layer.forward_log_det_jacobian(x)
                y = layer.forward(x)
                normal = tf.reduce_sum(y**2 + np.log(2 * np.pi), axis=-1) / 2
                residual = polynomial_residual(path.fractions, path.states)
                return log_det - normal, path.statistics.calls, residual

            return layer, run

        self.row = built(Solver())
        self.loose = built(
            Solver("dopri5", AdaptiveSteps(1e-5, 1e-5, "batch", max_steps=1024))
        )
        self.tight = built(
            Solver("dopri5", AdaptiveSteps(1e-6, 1e-8, "batch", max_steps=1024))
        )

    def __call__(self, which, weights, x):
        layer, run = getattr(self, which)
        layer.network.set_weights(weights)
        return [np.asarray(part) for part in run(tf.constant(x))]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--sets",
        nargs="+",
        default=list(SETS),
    )
    parser.add_argument("--alphas", nargs="+", type=float, default=[0.0, 5.0, 50.0])
    options = parser.parse_args()
    models, tests = functools.cache(new_model), functools.cache(Test)
    print(
        f"{'set':16}{'alpha':>6}{'seed':>5}{'NLL':>8}{'calls':>7}{'most':>6}"
        f"{'Lp':>9}{'dopri5 1e-5':>13}{'1e-6/1e-8':>11}{'seconds':>9}"
    )
    for name in options.sets:
        source = Toy(name) if name in SETS else Table(name)
        size, x = source.size, source.test().astype("float32")
        test = tests(size)
        for seed in range(options.seeds):
            for alpha in options.alphas:
                model, layer = models(size, alpha, options.steps)
                began = time.perf_counter()
                train(model, layer, source, seed, options.steps)
                seconds = time.perf_counter() - began
                weights = layer.network.get_weights()
                log_prob, calls, residual = test("row", weights, x)
                loose = test("loose", weights, x[:1000])[1].max()
                tight = test("tight", weights, x[:1000])[1].max()
                nll = source.nats - log_prob.mean()
                print(
                    f"{name:16}{alpha:6.0f}{seed:5}{nll:8.3f}{calls.mean():7.1f}"
                    f"{calls.max():6}{residual:9.5f}{loose:13}{tight:11}{seconds:9.1f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
