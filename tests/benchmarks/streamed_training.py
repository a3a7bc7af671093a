"""Memory and step time of a training from files that need not fit into memory.

    python -m tests.benchmarks.streamed_training [--columns 10 100 1000]
        [--rows 1e4 1e6 1e7] [--budget 8] [--steps 100]

Parquet files of 100,000 rows at most are streamed into `FlowModel.fit` of the default
coupling flow, batch 512, from the first file on for `--steps` steps; then every row of
every file is read once. Each training is a process of its own. "growth" is the peak of
its memory above what it held before the first row; "table" is what the rows would take
as float32. Tables beyond `--budget` GB of files are left out, and said.
"""

import argparse
import json
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

import numpy as np
import pandas as pd

BATCH, ROWS_A_FILE = 512, 100_000


def write_files(folder, rows, size):
    """Standard normal rows; equal files are links to one, so the disk stays small."""
    per_file = min(rows, ROWS_A_FILE, max(1_000, 10**8 // (4 * size)))
    values = np.random.default_rng(0).normal(size=(per_file, size)).astype("float32")
    first = folder / "0.parquet"
    pd.DataFrame(values, columns=[f"x{i}" for i in range(size)]).to_parquet(first)
    for number in range(1, -(-rows // per_file)):
        (folder / f"{number}.parquet").hardlink_to(first)


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def train(folder, size, steps):
    """Prints seconds a step, the growth in GB and the seconds to read every row."""
    import tensorflow as tf

    from tests.benchmarks.step_speed import StepTimes
    from tfp_flows import architectures, data
    from tfp_flows.models import FlowModel

    names = tuple(f"x{i}" for i in range(size))
    schema = data.Schema(columns=names, source_columns=names)
    pattern = f"{folder}/*.parquet"

    def batches():
        for values, _ in data.stream_rows(pattern, schema, BATCH):
            if len(values) == BATCH:
                yield values.astype("float32")

    signature = tf.TensorSpec([BATCH, size], tf.float32)
    stream = tf.data.Dataset.from_generator(batches, output_signature=signature)
    model = FlowModel(architectures.coupling_flow(size, seed=0))
    model.compile("adam")
    before = peak()
    times = StepTimes()
    model.fit(stream.repeat(), steps_per_epoch=steps, callbacks=[times], verbose=0)
    started = time.monotonic()
    for _ in data.stream_rows(pattern, schema, 65_536):
        pass
    seconds = time.monotonic() - started
    step = float(np.median(np.diff(times.ends)))
    print(json.dumps({"step": step, "growth": peak() - before, "read": seconds}))


def measure(rows, size, steps):
    with tempfile.TemporaryDirectory() as folder:
        write_files(pathlib.Path(folder), rows, size)
        words = [sys.executable, "-m", __spec__.name, "--train", folder]
        words += ["--columns", str(size), "--steps", str(steps)]
        return json.loads(subprocess.check_output(words, text=True).splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--columns", nargs="+", type=int, default=[10, 100, 1000])
    parser.add_argument("--rows", nargs="+", type=float, default=[1e4, 1e6, 1e7])
    parser.add_argument("--budget", type=float, default=8.0)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--train", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.train:
        train(options.train, options.columns[0], options.steps)
        return
    print("columns       rows  table (GB)  step (ms)  growth (GB)  all rows read (s)")
    for size in options.columns:
        for rows in map(int, options.rows):
            table = 4 * rows * size / 2**30
            line = f"{size:7}{rows:11,}{table:12.2f}"
            if table > options.budget:
                print(f"{line}  left out: above --budget", flush=True)
                continue
            found = measure(rows, size, options.steps)
            print(
                f"{line}{1e3 * found['step']:11.1f}{found['growth']:13.2f}"
                f"{found['read']:19.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
