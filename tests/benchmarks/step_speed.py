"""Time of a training step and of sampling, against bare `tfb.RealNVP`.

    python -m tests.benchmarks.step_speed [--steps 30] [--rounds 3] [--xla]

Medians over steps after warm-up, in one process, the candidates in turn round after
round. All train the same flow, ten couplings with 2 × 256 hidden units, batch 512,
Adam: the rival from stock `tfb.RealNVP` with Keras networks in a hand-written
`tf.function` loop, ours by `FlowModel.fit` with its callbacks. The first step's time
holds tracing and compilation.
"""

import argparse
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
from tfp_flows.ops import Affine, RationalQuadratic

tfb, tfd = tfp.bijectors, tfp.distributions

NUM_LAYERS, HIDDEN, BATCH = 10, (256, 256), 512


def rival(size):
    """Bare TFP: stock couplings, alternating halves by a permutation."""
    layers, networks = [], []
    passing = size // 2
    for _ in range(NUM_LAYERS):
        network = keras.Sequential(
            [keras.Input([passing])]
            + [keras.layers.Dense(units, activation="relu") for units in HIDDEN]
            + [keras.layers.Dense(2 * (size - passing), kernel_initializer="zeros")]
        )
        networks.append(network)

        def shift_and_log_scale(x, _, network=network):
            return tf.split(network(x), 2, axis=-1)

        layers += [
            tfb.RealNVP(passing, shift_and_log_scale_fn=shift_and_log_scale),
            tfb.Permute(list(range(size))[::-1]),
        ]
    base = tfd.MultivariateNormalDiag(tf.zeros([size]), tf.ones([size]))
    flow = tfd.TransformedDistribution(base, tfb.Invert(tfb.Chain(layers)))
    return flow, networks


def ours(size, transform):
    """The same flow from this package's parts: halves alternate by `flip`."""
    layers = [
        bijectors.Coupling(
            size,
            transform=transform,
            flip=bool(index % 2),
            hidden_sizes=HIDDEN,
            name=f"coupling_{index}",
        )
        for index in range(NUM_LAYERS)
    ]
    base = tfd.MultivariateNormalDiag(tf.zeros([size]), tf.ones([size]))
    return FlowModel(tfd.TransformedDistribution(base, tfb.Invert(tfb.Chain(layers))))


class StepTimes(keras.callbacks.Callback):
    """Wall time of each step of `fit`, from one batch's end to the next one's."""

    def __init__(self):
        super().__init__()
        self.ends = []

    def on_train_batch_end(self, batch, logs=None):
        self.ends.append(time.perf_counter())


class Rival:
    """Stock TFP in a hand-written loop."""

    def __init__(self, size, data, xla):
        self.flow, networks = rival(size)
        variables = [w for network in networks for w in network.trainable_variables]
        optimizer = keras.optimizers.Adam(1e-3)
        optimizer.build(variables)
        self.batches = iter(data)

        @tf.function(jit_compile=xla)
        def step(batch):
            with tf.GradientTape() as tape:
                loss = -tf.reduce_mean(self.flow.log_prob(batch))
            gradients = tape.gradient(loss, [v.value for v in variables])
            optimizer.apply(gradients, variables)
            return loss

        self.step = step
        self.draw = tf.function(lambda: self.flow.sample(10_000))

    def step_times(self, steps):
        times = [time.perf_counter()]
        for _ in range(steps):
            float(self.step(next(self.batches)))
            times.append(time.perf_counter())
        return np.diff(times).tolist()

    def sample(self):
        return self.draw().numpy()


class Ours:
    """`FlowModel.fit` with its default callbacks and no bar drawn."""

    def __init__(self, size, transform, data, xla):
        self.model = ours(size, transform)
        self.model.compile(keras.optimizers.Adam(1e-3), jit_compile=xla)
        self.data = data

    def step_times(self, steps):
        times = StepTimes()
        started = time.perf_counter()
        self.model.fit(self.data, steps_per_epoch=steps, callbacks=[times], verbose=0)
        return np.diff([started, *times.ends]).tolist()

    def sample(self):
        return self.model.sample(10_000, seed=0).numpy()


def measure(candidates, steps, rounds, draws_a_round=8):
    """Per candidate: first step in s, median step and median sampling in ms."""
    first = [candidate.step_times(1)[0] for candidate in candidates]
    steps_taken = [[] for _ in candidates]
    draws = [[] for _ in candidates]
    for _ in range(rounds):
        for index, candidate in enumerate(candidates):
            # The first of a call holds the start of an epoch.
            steps_taken[index] += candidate.step_times(steps + 5)[5:]
    for _ in range(rounds * draws_a_round):
        for index, candidate in enumerate(candidates):
            started = time.perf_counter()
            candidate.sample()
            draws[index].append(time.perf_counter() - started)
    return [
        (start, 1e3 * statistics.median(taken), 1e3 * statistics.median(drawn[1:]))
        for start, taken, drawn in zip(first, steps_taken, draws, strict=True)
    ]


def import_time():
    """Seconds that a new process takes to import the model, and TFP alone."""

    def seconds(code):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
        return time.perf_counter() - started

    bare = "import keras, tensorflow_probability as tfp; tfp.distributions"
    return seconds("import tfp_flows.models"), seconds(bare)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--xla", action="store_true", help="jit_compile=True on all")
    options = parser.parse_args()
    print(
        "import tfp_flows.models {:.1f} s, keras and TFP {:.1f} s".format(
            *import_time()
        )
    )
    print(
        f"{'flow':18}{'D':>4}{'first step s':>14}{'step ms':>10}{'ratio':>7}"
        f"{'sample 10k ms':>15}{'ratio':>7}"
    )
    for size in (6, 43):
        x = np.random.default_rng(0).normal(size=[BATCH * 8, size]).astype("float32")
        data = tf.data.Dataset.from_tensor_slices(x).repeat().batch(BATCH)
        candidates = {
            "tfb.RealNVP": Rival(size, data, options.xla),
            "ours, affine": Ours(size, Affine(), data, options.xla),
            "ours, spline K=8": Ours(size, RationalQuadratic(), data, options.xla),
        }
        results = measure(list(candidates.values()), options.steps, options.rounds)
        _, rival_step, rival_draw = results[0]
        for name, (first, step, draw) in zip(candidates, results, strict=True):
            print(
                f"{name:18}{size:4}{first:14.1f}{step:10.2f}{step / rival_step:7.2f}"
                f"{draw:15.2f}{draw / rival_draw:7.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
