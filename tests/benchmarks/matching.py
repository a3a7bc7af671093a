"""A continuous flow by likelihood, with a penalty on its paths, and by flow matching.

    python -m tests.benchmarks.matching [--sets magic pinwheel spirals] [--epochs 60]
        [--rows 10000] [--seed 0] [--share 0.1] [--peer-python PYTHON]

`continuous_flow` of 2 × 64 tanh units and N(0, I) under XLA, batch 512, Adam 2e-3
falling to 0 along a cosine. "likelihood": so many epochs; "+ paths": with
`TrajectoryPolynomial(5)`; "matching": `FlowMatching()`, ten times the epochs, Adam
1e-2, 100 steps at once; "then likelihood": a share of the likelihood's epochs from the
weights of matching. Seconds are those of training without the first step, which traces
and compiles. Held out, at tolerance 1e-5 with steps per row: nats a row, calls of a
likelihood and of a sample. With a Python that has zuko and PyTorch, its `CNF` of the
same widths follows, on rows whitened beforehand, for as many seconds as "likelihood"
took, or --seconds; --only names trainings.
"""

import argparse
import pathlib
import subprocess
import tempfile
import time

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tests.benchmarks.trajectory_regularization import SETS
from tfp_flows import data
from tfp_flows.architectures import continuous_flow
from tfp_flows.cli.training.batches import training_batches
from tfp_flows.models import FlowModel
from tfp_flows.objectives import FlowMatching, TrajectoryPolynomial

BATCH = 512
PEER = pathlib.Path(__file__).with_name("zuko_continuous_peer.py")


class Clock(keras.callbacks.Callback):
    """Seconds of this process in training after its first step."""

    def __init__(self):
        super().__init__()
        self.start = self.end = None

    def on_train_batch_end(self, batch, logs=None):
        self.end = time.process_time()
        if self.start is None:
            self.start = self.end


def new_model(size, seed, **options):
    base = tfd.MultivariateNormalDiag(tf.zeros(size), tf.ones(size))
    flow = continuous_flow(size, hidden_sizes=(64, 64), base=base, seed=seed)
    return FlowModel(flow, **options)


def train(model, rows, epochs, rate=2e-3, at_once=1):
    """Seconds."""
    keras.utils.set_random_seed(0)
    steps = len(rows) // BATCH
    schedule = keras.optimizers.schedules.CosineDecay(rate, epochs * steps)
    model.compile(
        keras.optimizers.Adam(schedule),
        jit_compile=True,
        steps_per_execution=min(at_once, epochs * steps // 2),
    )
    source, _ = training_batches(rows, None, batch_size=BATCH, seed=0)
    clock, count = Clock(), epochs * steps
    # One epoch: at its end Keras waits for the metrics.
    model.fit(source, steps_per_epoch=count, verbose=0, callbacks=[clock])
    first = model.steps_per_execution
    return (clock.end - clock.start) * count / (count - first)


def test(model, rows):
    """Nats a row, calls of a likelihood, calls of a sample."""
    found = model.evaluate(rows, batch_size=4096, verbose=0, return_dict=True)
    (layer,) = model.continuous_layers
    size = layer.network.event_size
    z = tf.random.stateless_normal([1024, size], [0, 0])
    solve = tf.function(layer._solve, autograph=False)
    _, _, path = solve(z, forward=False, with_log_det=False)
    calls = np.mean(path.statistics.calls)
    nats = found.get("negative_log_likelihood", found["loss"])
    return -nats, found["calls"], calls


def rows_of(name, count):
    if name in SETS:
        rows = SETS[name](count + 4000, np.random.default_rng(0))
    else:
        rows = np.random.default_rng(0).permutation(data.load(name).values)
    rows = rows.astype("float32")
    held_out = min(4000, len(rows) // 5)
    return rows[held_out:], rows[:held_out]


def peer(python, parts, held_out, seconds, seed):
    """Nats a row and seconds of zuko's training, on whitened rows."""
    mean, half = parts.mean(axis=0), np.linalg.cholesky(np.cov(parts.T))
    log_det = -np.log(np.diag(half)).sum()
    with tempfile.TemporaryDirectory() as folder:
        whitened = {
            name: np.linalg.solve(half, (rows - mean).T).T
            for name, rows in (("train", parts), ("test", held_out))
        }
        np.savez(f"{folder}/rows.npz", **whitened)
        words = [python, PEER, f"{folder}/rows.npz", str(seconds), str(seed)]
        found = subprocess.run(words, check=True, capture_output=True, text=True)
    nats, weights, steps, seconds = map(float, found.stdout.split())
    print(f"zuko: {weights:.0f} weights, {steps:.0f} steps")
    return nats + log_det, seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="+", default=["magic", "pinwheel", "spirals"])
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--rows", type=int, default=10_000, help="of a toy set")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--share", type=float, default=0.1)
    parser.add_argument("--matching-epochs", type=int, help="10 times --epochs")
    parser.add_argument("--peer-python", help="one with zuko and PyTorch")
    parser.add_argument("--seconds", type=float, help="of zuko's training")
    parser.add_argument("--only", nargs="+", help="likelihood, …, zuko")
    options = parser.parse_args()
    matching_epochs = options.matching_epochs or 10 * options.epochs
    few = max(1, round(options.share * options.epochs))
    print(
        f"{'set':12}{'training':30}{'nats':>9}{'seconds':>9}{'ratio':>7}"
        f"{'calls':>7}{'of a sample':>13}"
    )
    for name in options.sets:
        parts, held_out = rows_of(name, options.rows)
        size = parts.shape[1]
        likelihood = new_model(size, options.seed)
        penalized = new_model(size, options.seed, penalties=[TrajectoryPolynomial(5.0)])
        matched = new_model(size, options.seed, objective=FlowMatching())
        epochs, then = options.epochs, FlowModel(matched.distribution)
        trainings = [
            (f"likelihood, {epochs} epochs", likelihood, epochs, 2e-3, 1),
            (f"likelihood + paths, {epochs}", penalized, epochs, 2e-3, 1),
            (f"matching, {matching_epochs}", matched, matching_epochs, 1e-2, 100),
            (f"then likelihood, {few}", then, few, 1e-3, 1),
        ]
        whole = options.seconds
        for label, model, epochs, *how in trainings:
            if options.only and label.partition(",")[0] not in options.only:
                continue
            seconds = train(model, parts, epochs, *how)
            whole = whole or seconds
            nats, calls, of_sample = test(model, held_out)
            print(
                f"{name:12}{label:30}{nats:9.3f}{seconds:9.1f}{seconds / whole:7.2f}"
                f"{calls:7.1f}{of_sample:13.1f}",
                flush=True,
            )
        if options.peer_python:
            nats, seconds = peer(
                options.peer_python, parts, held_out, whole, options.seed
            )
            print(f"{name:12}{'zuko':30}{nats:9.3f}{seconds:9.1f}", flush=True)


if __name__ == "__main__":
    main()
