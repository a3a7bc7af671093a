"""Time and memory of the optimum of linear flows on a million rows.

    python -m tests.benchmarks.linear_optimum [--rows 1000000] [--columns 64]

The rows are a float32 file read through a memory map and, in a process of its own, a
`tf.data.Dataset` that reads the same file in batches. Memory is the most that the
process held, libraries included; TensorFlow alone takes most of it.
"""

import argparse
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

import numpy as np

from tfp_flows.diagnostics import linear_flow_optimum


def measure(kind, path):
    rows = np.load(path, mmap_mode="r")
    data = rows
    if kind == "tf.data":
        import tensorflow as tf

        starts = tf.data.Dataset.range(0, len(rows), 16384)

        def read(start):
            return np.asarray(rows[start : start + 16384])

        def batch(start):
            part = tf.numpy_function(read, [start], tf.float32)
            return tf.ensure_shape(part, [None, rows.shape[1]])

        data = starts.map(batch).prefetch(2)
    began = time.perf_counter()
    found = linear_flow_optimum(data)
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{kind:12}{found.num_rows:>10,}{seconds:8.2f} s{peak:8.2f} GiB"
        f"{found.log_likelihood:14.4f}",
        flush=True,
    )


def write(path, rows, columns):
    shape = (rows, columns)
    out = np.lib.format.open_memmap(path, mode="w+", dtype="float32", shape=shape)
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(columns, columns)).astype("float32")
    for start in range(0, rows, 50_000):
        size = min(50_000, rows - start)
        part = rng.standard_normal((size, columns), "float32")
        out[start : start + size] = part @ mixing + 10


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--columns", type=int, default=64)
    parser.add_argument("--measure", nargs=2, metavar=("KIND", "FILE"))
    options = parser.parse_args()
    if options.measure:
        measure(*options.measure)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "rows.npy")
        write(path, options.rows, options.columns)
        print(f"{'source':12}{'rows':>10}{'time':>10}{'memory':>12}{'nats':>14}")
        for kind in ("memory map", "tf.data"):
            command = [sys.executable, "-m", "tests.benchmarks.linear_optimum"]
            subprocess.run([*command, "--measure", kind, str(path)], check=True)


if __name__ == "__main__":
    main()
