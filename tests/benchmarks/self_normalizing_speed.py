"""Time of a training step of one layer, against exact gradients and an autoencoder.

    python -m tests.benchmarks.self_normalizing_speed
        [--sizes 1024 2048 4096] [--steps 15] [--rounds 3] [--xla]
        [--peer-python /path/with/torch/bin/python] [--memory] [--convolution]

Dense: batch 100, Adam, one layer y = W x + b under N(0, I), all trained by `fit`
with its callbacks, the candidates in turn round after round; medians over all steps.

    self-normalizing   `SelfNormalizingDense`, R by reconstruction
    exact              the same layer with the gradient of `tf.linalg.slogdet`
    relative           the same layer with the relative gradient
    autoencoder        x → W x → R W x, squared error: the floor of two matrices

The peers run in PyTorch, same batch, Adam: `slogdet` of a free matrix, and a matrix
parametrized by its LU factors. `--memory` runs each candidate in a process of its own
and prints the peak above a process that has only built it, in D × D float32 matrices.
"""

import argparse
import pathlib
import resource
import statistics
import subprocess
import sys
import time

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfp_flows import bijectors
from tfp_flows.models import FlowModel

tfb, tfd = tfp.bijectors, tfp.distributions

BATCH = 100
PEER = pathlib.Path(__file__).with_name("linear_peer.py")


def flow(layer, shape):
    """One layer under N(0, I)."""
    base = tfd.Independent(tfd.Normal(tf.zeros(shape), tf.ones(shape)), len(shape))
    return FlowModel(tfd.TransformedDistribution(base, tfb.Invert(layer)))


class Autoencoder(keras.Model):
    """x → R (W x), with the two kernels of a self-normalizing layer."""

    def __init__(self, shape):
        super().__init__()
        if len(shape) == 1:
            self.maps = [keras.layers.Dense(shape[0]) for _ in range(2)]
        else:
            self.maps = [
                keras.layers.Conv2D(shape[-1], 3, padding="same") for _ in range(2)
            ]

    def call(self, x):
        return self.maps[1](self.maps[0](x))

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        return tf.reduce_sum(tf.square(x - y_pred)) / BATCH


def candidates(shape):
    """Name → function that builds a model; the floor last."""
    if len(shape) == 3:
        return {
            "self-normalizing": lambda: flow(
                bijectors.SelfNormalizingConv2D(shape, inverse="refined"), shape
            ),
            "two convolutions": lambda: Autoencoder(shape),
        }

    def dense(gradient):
        layer = bijectors.SelfNormalizingDense(shape[0], gradient=gradient)
        return flow(layer, shape)

    return {
        "exact": lambda: dense("exact"),
        "relative": lambda: dense("relative"),
        "self-normalizing": lambda: dense("self_normalizing"),
        "autoencoder": lambda: Autoencoder(shape),
    }


class StepTimes(keras.callbacks.Callback):
    """Wall time of each step of `fit`."""

    def __init__(self):
        super().__init__()
        self.times = []

    def on_train_batch_begin(self, batch, logs=None):
        self.start = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        self.times.append(time.perf_counter() - self.start)


def step_times(model, x, steps):
    """Seconds of each step of an epoch."""
    clock = StepTimes()
    model.fit(x[: steps * BATCH], batch_size=BATCH, callbacks=[clock], verbose=0)
    return clock.times


def data(shape, steps):
    """Standard normal rows."""
    return np.random.default_rng(0).normal(size=[steps * BATCH, *shape]).astype("f")


def compare(shape, steps, rounds, xla):
    """Prints one line per candidate."""
    x = data(shape, steps)
    models = {name: make() for name, make in candidates(shape).items()}
    for model in models.values():
        compiled = xla and getattr(model, "supports_jit", True)
        model.compile(keras.optimizers.Adam(1e-4), jit_compile=compiled)
        step_times(model, x, 2)
    times = {name: [] for name in models}
    for _ in range(rounds):
        for name, model in models.items():
            times[name] += step_times(model, x, steps)
    medians = {name: 1e3 * statistics.median(t) for name, t in times.items()}
    floor = list(medians.values())[-1]
    for name, median in medians.items():
        print(f"{shape!s:14} {name:18} {median:9.1f} ms {median / floor:7.2f} × floor")
    return medians


def peak_memory(size, name):
    """Peak over building, in D × D matrices, measured in a fresh process."""
    module = "tests.benchmarks.self_normalizing_speed"
    code = f"import {module} as speed; speed.grow({size}, {name!r})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return float(done.stdout.split()[-1])


def grow(size, name):
    """Prints by how many matrices training raises the peak, weights included."""
    x = data((size,), 5)
    flow(bijectors.SelfNormalizingDense(8), (8,)).log_prob(np.zeros([1, 8], "f"))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    model = candidates((size,))[name]()
    model.compile(keras.optimizers.Adam(1e-4))
    step_times(model, x, 5)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(1024 * grown / (4 * size * size))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[1024, 2048, 4096])
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--xla", action="store_true")
    parser.add_argument("--peer-python")
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--convolution", action="store_true")
    arguments = parser.parse_args()
    options = arguments.steps, arguments.rounds, arguments.xla
    if arguments.convolution:
        compare((28, 28, 16), *options)
        return
    for size in arguments.sizes:
        if arguments.memory:
            for name in candidates((size,)):
                print(f"{size:6} {name:18} {peak_memory(size, name):5.1f} matrices")
            continue
        compare((size,), *options)
        if arguments.peer_python:
            command = [arguments.peer_python, PEER, str(size), str(arguments.steps)]
            subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
