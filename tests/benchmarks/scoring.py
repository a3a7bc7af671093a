"""Rows a second and memory of `tfp-flows score` over many files, by engine.

    python -m tests.benchmarks.scoring [--rows 1000000] [--files 50] [--columns 8]

A default spline coupling flow, fitted for one epoch, scores a folder of .parquet files
to .parquet files. Rows a second are of the files behind the first, so that loading the
model, and starting Ray, are not in them; seconds are those of the whole command.
Memory is what the processes of the command hold together, in GB, at a tenth, at half
and at the end of the files. A process has one thread. Needs the extra `ray`.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
import pyarrow
import pyarrow.parquet

ONE_THREAD = {
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "OMP_NUM_THREADS": "1",
}
ENGINES = {
    "local": [],
    "ray, 1 actor": ["--engine", "ray", "--workers", "1"],
    "ray, 2 actors": ["--engine", "ray", "--workers", "2"],
}


def write_parts(folder, rows, files, columns):
    rng = np.random.default_rng(0)
    names = [f"c{index}" for index in range(columns)]
    for number in range(files):
        values = rng.normal(size=(columns, rows // files)) ** 3
        table = pyarrow.table(list(map(pyarrow.array, values)), names=names)
        pyarrow.parquet.write_table(table, folder / f"{number:05}.parquet")


def start(*words):
    return subprocess.Popen(
        [sys.executable, "-u", "-m", "tfp_flows.cli", *map(str, words)],
        env={**os.environ, **ONE_THREAD},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def gigabytes(pid):
    """What a process and those that it started hold in memory."""
    parents, held = {}, {}
    for status in pathlib.Path("/proc").glob("[0-9]*/status"):
        try:
            lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        except OSError:  # It has ended.
            continue
        own = int(lines["Pid"])
        parents[own] = int(lines["PPid"])
        held[own] = int(lines.get("VmRSS", "0 kB").split()[0]) / 2**20
    family = {pid}
    while more := {p for p, of in parents.items() if of in family} - family:
        family |= more
    return sum(held[one] for one in family)


def measure(run, folder, words, files, rows):
    """Rows a second, memory at three places, and seconds in all."""
    began = time.perf_counter()
    out = folder.parent / "-".join(["scores", *words]).replace(" ", "")
    process = start(
        "score", run, folder / "*.parquet", "--out", out / "*.parquet", *words
    )
    times, memory = [], []
    places = {max(files // 10, 1), files // 2, files}
    for number, _ in enumerate(process.stdout, 1):
        if number > files:
            break
        times.append(time.perf_counter())
        if number in places:
            memory.append(gigabytes(process.pid))
    process.communicate()
    if process.returncode or len(times) != files:
        raise RuntimeError(f"{' '.join(words)} failed: see the command alone")
    rate = (files - 1) * (rows // files) / (times[-1] - times[0])
    return rate, memory, time.perf_counter() - began


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--files", type=int, default=50)
    parser.add_argument("--columns", type=int, default=8)
    parser.add_argument("--engines", nargs="+", default=list(ENGINES))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        folder, run = pathlib.Path(root, "parts"), pathlib.Path(root, "run")
        folder.mkdir()
        write_parts(folder, options.rows, options.files, options.columns)
        train = pathlib.Path(root, "train")
        train.mkdir()
        write_parts(train, 5000, 1, options.columns)
        words = "--flow coupling-spline --base gaussian --epochs 1 --quiet".split()
        fitted = start("fit", train / "00000.parquet", "--out", run, *words)
        fitted.communicate()
        if fitted.returncode:
            raise RuntimeError("the model was not fitted: see tfp-flows fit alone")
        print(
            f"{options.rows:,} rows of {options.columns} columns, {options.files} files"
        )
        print(
            f"{'engine':16}{'rows/s':>10}{'GB at 1/10':>12}{'1/2':>8}{'end':>8}{'s':>8}"
        )
        for engine in options.engines:
            rate, memory, seconds = measure(
                run, folder, ENGINES[engine], options.files, options.rows
            )
            held = "".join(f"{one:8.2f}" for one in memory[1:])
            print(
                f"{engine:16}{rate:10,.0f}{memory[0]:12.2f}{held}{seconds:8.0f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
