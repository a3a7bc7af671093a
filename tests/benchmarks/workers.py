"""Rows a second of `tfp-flows fit` in one process and in several.

    python -m tests.benchmarks.workers [--rows 200000] [--workers 1 2]

Each worker has one thread and its share of every batch. The median epoch behind the
first two, validation included, which all workers see whole. Columns are cubes of
normal draws, the flow is the default spline coupling flow.
"""

import argparse
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

from tests.benchmarks.scoring import ONE_THREAD


def seconds_an_epoch(table, out, workers, epochs, batch_size):
    words = [
        *("fit", table, "--out", out, "--flow", "coupling-spline"),
        *("--base", "gaussian", "--epochs", epochs, "--batch-size", batch_size),
        *("--patience", epochs),
        *(("--workers", workers) if workers > 1 else ()),
    ]
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "tfp_flows.cli", *map(str, words)],
        env={**os.environ, **ONE_THREAD},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    starts = []
    for line in process.stdout:
        if line.startswith("Epoch "):
            starts.append(time.perf_counter())
        if len(starts) == epochs:
            break
    # What comes behind the training is not asked for.
    process.send_signal(signal.SIGINT)
    process.communicate()
    if len(starts) < epochs:
        raise RuntimeError(f"{workers} workers failed: see tfp-flows fit alone")
    return statistics.median(np.diff(starts)[2:])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--columns", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--batch-size", type=int, default=4096)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()
    print(f"{'workers':8}{'s/epoch':>10}{'rows/s':>12}{'ratio':>8}")
    first = None
    with tempfile.TemporaryDirectory() as folder:
        table = pathlib.Path(folder, "rows.npy")
        shape = (options.rows, options.columns)
        np.save(table, np.random.default_rng(0).normal(size=shape) ** 3)
        for count in options.workers:
            out = pathlib.Path(folder, str(count))
            seconds = seconds_an_epoch(
                table, out, count, options.epochs, options.batch_size
            )
            rate = 0.8 * options.rows / seconds
            first = first or rate
            print(
                f"{count:<8}{seconds:10.2f}{rate:12,.0f}{rate / first:8.2f}", flush=True
            )


if __name__ == "__main__":
    main()
