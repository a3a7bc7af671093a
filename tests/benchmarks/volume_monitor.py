"""What watching volumes costs: training with and without the monitor at its default.

    python -m tests.benchmarks.volume_monitor [--seconds 6] [--rounds 5]

Batches of 512 rows; tables of standard normal rows, digits for Glow. Trainings of equal
length without and with the monitor take turns; "clock" and "processor" are medians over
rounds of the ratio of the two times less one, "noise" that of two trainings without.
"share" is what the monitor says of itself. A training of `--seconds` holds one or two
measurements; in longer ones the same share is spent. "first" is the first measurement,
which compiles; it is not in the share.
"""

import argparse
import time
from unittest import mock

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfp_flows import data
from tfp_flows.architectures import autoregressive_flow, coupling_flow, glow
from tfp_flows.diagnostics import VolumeMonitor
from tfp_flows.diagnostics.volume import monitor as volume_monitor
from tfp_flows.models import FlowModel


def standard_normal(size):
    return tfd.MultivariateNormalDiag(tf.zeros(size), tf.ones(size))


def rows(size):
    return np.random.default_rng(0).normal(size=(4_000, size)).astype("float32")


def digits():
    return data.load("digits").values.reshape(-1, 8, 8, 1).astype("float32")


RUNS = {
    "coupling_flow, 10 columns": (lambda: coupling_flow(10, seed=0), lambda: rows(10)),
    "coupling_flow, 63 columns": (
        lambda: coupling_flow(63, seed=0, base=standard_normal(63)),
        lambda: rows(63),
    ),
    "autoregressive_flow, 10 columns": (
        lambda: autoregressive_flow(10, seed=0),
        lambda: rows(10),
    ),
    "glow, 8 x 8": (
        lambda: glow((8, 8, 1), num_values=17, hidden_sizes=(32, 32), seed=0),
        digits,
    ),
}


def times(model, batches, steps, callbacks):
    """Seconds on the clock and of the processor that a training takes."""
    began = time.perf_counter(), time.process_time()
    model.fit(batches, steps_per_epoch=steps, verbose=0, callbacks=callbacks)
    return np.array([time.perf_counter() - began[0], time.process_time() - began[1]])


def compiled_monitor(model, x):
    """A monitor that has compiled, and what its first measurement took."""
    monitor = VolumeMonitor(x)
    began = time.perf_counter()
    monitor.set_model(model)
    monitor.on_train_begin()
    first = time.perf_counter() - began
    start = VolumeMonitor.on_train_begin

    def begin_again(logs=None):
        # `fit` would compile again: this probe is ready.
        with mock.patch.object(volume_monitor, "VolumeProbe", return_value=probe):
            start(monitor, logs)

    probe = monitor._probe
    monitor.on_train_begin = begin_again
    return monitor, first


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(
        f"{'flow':34}{'step':>9}{'first':>9}{'measured':>10}{'share':>8}{'clock':>8}"
        f"{'processor':>11}{'noise':>8}"
    )
    for name, (build, load) in RUNS.items():
        x = load()
        model = FlowModel(build())
        model.compile(keras.optimizers.Adam(1e-4))
        model.adapt(x)
        dataset = tf.data.Dataset.from_tensor_slices((x,)).shuffle(4_000).repeat()
        batches = dataset.batch(512).prefetch(2)
        times(model, batches, 20, [])
        step = times(model, batches, 50, [])[0] / 50
        steps = int(options.seconds / step)
        monitor, first = compiled_monitor(model, x)
        ratios, noises, shares = [], [], []
        for _ in range(options.rounds):
            before = times(model, batches, steps, [])
            watched = times(model, batches, steps, [monitor])
            shares.append(monitor.share)
            after = times(model, batches, steps, [])
            ratios.append(2 * watched / (before + after) - 1)
            noises.append(abs(after[0] / before[0] - 1))
        clock, processor = np.median(ratios, axis=0)
        count = (len(monitor.reports) - 1) / options.rounds
        print(
            f"{name:34}{1e3 * step:6.1f} ms{first:7.1f} s{count:10.1f}"
            f"{np.median(shares):8.1%}{clock:+8.1%}{processor:+11.1%}"
            f"{np.median(noises):8.1%}",
            flush=True,
        )


if __name__ == "__main__":
    main()
