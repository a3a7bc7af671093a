"""What watching volumes costs: training with and without the monitor at its default.

    python -m tests.benchmarks.volume_monitor [--steps 1500]

Batches of 512 rows; tables of standard normal rows, digits for Glow. Both trainings are
compiled before the clock starts, and they take turns, best of two. "first" is the
first measurement, which compiles; it is not in the share.
"""

import argparse
import time

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfp_flows import data
from tfp_flows.architectures import autoregressive_flow, coupling_flow, glow
from tfp_flows.diagnostics import VolumeMonitor
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


def seconds(model, batches, steps, callbacks):
    began = time.perf_counter()
    model.fit(batches, steps_per_epoch=steps, verbose=0, callbacks=callbacks)
    return time.perf_counter() - began


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1500)
    options = parser.parse_args()
    print(f"{'flow':34}{'step':>9}{'first':>9}{'measured':>10}{'share':>8}{'clock':>9}")
    for name, (build, load) in RUNS.items():
        x = load()
        model = FlowModel(build())
        model.compile(keras.optimizers.Adam(1e-4))
        model.adapt(x)
        dataset = tf.data.Dataset.from_tensor_slices((x,)).shuffle(4_000).repeat()
        batches = dataset.batch(512).prefetch(2)
        steps = options.steps if "glow" not in name else options.steps // 3
        seconds(model, batches, 20, [])
        without, watched, monitors = [], [], []
        for _ in range(2):
            without.append(seconds(model, batches, steps, []))
            monitor = VolumeMonitor(x)
            began = time.perf_counter()
            monitor.set_model(model)
            monitor.on_train_begin()
            first = time.perf_counter() - began
            # `fit` would compile again: this one is ready.
            monitor.on_train_begin = lambda logs=None: None
            watched.append(seconds(model, batches, steps, [monitor]))
            monitors.append((monitor.share, len(monitor.reports)))
        share, count = min(monitors)
        overhead = min(watched) / min(without) - 1
        print(
            f"{name:34}{1e3 * min(without) / steps:6.1f} ms{first:7.1f} s{count:10d}"
            f"{share:8.1%}{overhead:+9.1%}",
            flush=True,
        )


if __name__ == "__main__":
    main()
