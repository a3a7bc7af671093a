"""Time of a training step and of sampling, against bare `tfb.RealNVP`.

    python -m tests.benchmarks.step_speed [--steps 30] [--xla]

Every row is a median over steps after warm-up, in one process; the rival trains the
same flow, ten affine couplings with 2 × 256 hidden units and batch 512, from
`tfb.RealNVP` with Keras networks in a hand-written `tf.function` loop.
"""

import argparse
import statistics
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


def summarize(times, warm_up=5):
    return 1e3 * statistics.median(times[warm_up:])


def time_rival_steps(size, x, steps, xla):
    flow, networks = rival(size)
    variables = [w for network in networks for w in network.trainable_variables]
    optimizer = keras.optimizers.Adam(1e-3)
    optimizer.build(variables)

    @tf.function(jit_compile=xla)
    def step(batch):
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(flow.log_prob(batch))
        gradients = tape.gradient(loss, [v.value for v in variables])
        optimizer.apply(gradients, variables)
        return loss

    batches = iter(tf.data.Dataset.from_tensor_slices(x).repeat().batch(BATCH))
    started = time.perf_counter()
    float(step(next(batches)))
    first = time.perf_counter() - started
    times = []
    for _ in range(steps):
        started = time.perf_counter()
        float(step(next(batches)))
        times.append(time.perf_counter() - started)
    return summarize(times), first, flow


def time_our_steps(size, transform, x, steps, xla):
    model = ours(size, transform)
    model.compile(keras.optimizers.Adam(1e-3), jit_compile=xla)
    times = StepTimes()
    started = time.perf_counter()
    # As the rival: batches from tf.data, and no bar drawn.
    data = tf.data.Dataset.from_tensor_slices(x).repeat().batch(BATCH)
    model.fit(data, steps_per_epoch=steps, callbacks=[times], verbose=0)
    first = times.ends[0] - started
    return summarize(np.diff(times.ends).tolist()), first, model


def time_sampling(sample, repeats=20):
    times = []
    for _ in range(repeats + 3):
        started = time.perf_counter()
        sample().numpy()
        times.append(time.perf_counter() - started)
    return summarize(times, 3)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--xla", action="store_true", help="jit_compile=True on both")
    options = parser.parse_args()
    print(
        f"{'flow':24}{'D':>4}{'step ms':>10}{'ratio':>8}{'compile s':>11}"
        f"{'sample 10k ms':>15}{'ratio':>8}"
    )
    for size in (6, 43):
        x = np.random.default_rng(0).normal(size=[BATCH * 8, size]).astype("float32")
        step, first, flow = time_rival_steps(size, x, options.steps, options.xla)
        rival_sample = tf.function(lambda flow=flow: flow.sample(10_000))
        sampling = time_sampling(rival_sample)
        report("tfb.RealNVP", size, step, step, first, sampling, sampling)
        for name, transform in (
            ("affine", Affine()),
            ("spline (K = 8)", RationalQuadratic()),
        ):
            mine, first, model = time_our_steps(
                size, transform, x, options.steps, options.xla
            )
            drawn = time_sampling(lambda model=model: model.sample(10_000, seed=0))
            report(f"ours, {name}", size, mine, step, first, drawn, sampling)


def report(name, size, step, rival_step, first, sampling, rival_sampling):
    print(
        f"{name:24}{size:4}{step:10.2f}{step / rival_step:8.2f}{first:11.1f}"
        f"{sampling:15.2f}{sampling / rival_sampling:8.2f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
