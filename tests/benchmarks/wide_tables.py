"""Seconds and memory of one epoch and the report, by the number of columns.

    python -m tests.benchmarks.wide_tables [--columns 100 600 2000]

Rows are 12 a column and at least 5,000, of a quarter as many factors plus noise. Each
run is a process of its own: `tfp-flows fit` with one epoch and all defaults. "training"
is the epoch; "rest" is start-up, checks, yardsticks, saving, pictures and the report.
"""

import argparse
import json
import pathlib
import re
import resource
import subprocess
import sys
import tempfile
import time

import numpy as np


def write_table(path, size):
    rng = np.random.default_rng(0)
    rows = max(5_000, 12 * size)
    factors = rng.normal(size=(rows, max(1, size // 4)))
    loadings = rng.normal(size=(factors.shape[1], size)) / np.sqrt(factors.shape[1])
    noise = 0.5 * rng.normal(size=(rows, size))
    np.save(path, (factors @ loadings + noise).astype("float32"))
    return rows


def measure(size):
    """Rows, seconds in all and of the epoch, peak memory in GB, nats of the flow."""
    with tempfile.TemporaryDirectory() as folder:
        table, out = (pathlib.Path(folder, name) for name in ("table.npy", "run"))
        rows = write_table(table, size)
        words = ["fit", str(table), "--out", str(out), "--epochs", "1", "--quiet"]
        started = time.monotonic()
        subprocess.run(
            [sys.executable, "-m", "tfp_flows.cli", *words],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        seconds = time.monotonic() - started
        metrics = json.loads((out / "metrics.json").read_text())
        page = (out / "report.html").read_text()
        words = re.search(r"<dt>training</dt><dd>(?:(\d+) min )?([\d.]+) s", page)
        minutes, rest = words.groups(default="0")
        training = 60 * int(minutes) + float(rest)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    nats = [result["nats"] for result in metrics["held_out"]]
    return rows, seconds, training, peak, nats


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--columns", nargs="+", type=int, default=[100, 600, 2000])
    options = parser.parse_args()
    print("columns    rows  training (s)  rest (s)  peak (GB)  flow, Gaussian, mixture")
    # The peak is that of the largest child so far: in ascending order it is its own.
    for size in sorted(options.columns):
        rows, seconds, training, peak, nats = measure(size)
        print(
            f"{size:7}{rows:8,}{training:14.0f}{seconds - training:10.0f}{peak:11.1f}  "
            + ", ".join(f"{value:.1f}" for value in nats),
            flush=True,
        )


if __name__ == "__main__":
    main()
