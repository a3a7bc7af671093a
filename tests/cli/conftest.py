"""A small table, small flows, and one fitted run shared by the tests of commands."""

import functools
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from tfp_flows.cli import main

# Writers of pages that `skip_pages` has replaced.
WRITERS = {}


class Tables:
    """Makes tables with the quirks that tests need."""

    def __init__(self, folder):
        self.folder = folder

    def csv(self, name="table.csv", rows=300, seed=0, header="a,b,c", **columns):
        """Writes correlated columns; keyword arguments replace some of them."""
        names = header.split(",")
        rng = np.random.default_rng(seed)
        values = rng.normal(size=(rows, len(names)))
        values[:, 1] = values[:, 0] * 0.8 + 0.3 * values[:, 1]
        for column, replacement in columns.items():
            values[:, names.index(column)] = replacement
        path = self.folder / name
        np.savetxt(path, values, fmt="%.17g", delimiter=",", header=header, comments="")
        return path


@pytest.fixture
def tables(tmp_path):
    return Tables(tmp_path)


def shrink_flows(patch=setattr):
    """Replaces the flows of tables by ones of two small layers, quick to trace."""
    from tfp_flows import architectures

    for name in ("coupling_flow", "autoregressive_flow"):
        small = functools.partial(
            getattr(architectures, name), num_layers=2, hidden_sizes=(8,)
        )
        patch(architectures, name, small)
    small = functools.partial(architectures.continuous_flow, hidden_sizes=(8, 8))
    patch(architectures, "continuous_flow", small)


def skip_pages(patch=setattr):
    """Leaves out pictures and export, for tests of what comes before."""
    from tfp_flows.cli.results import outcome

    for name in ("write_pages", "_export"):
        WRITERS.setdefault(name, getattr(outcome, name))
        patch(outcome, name, lambda *arguments: None)


def write_pages(patch):
    """Puts back what `skip_pages` left out, for a run that others read."""
    from tfp_flows.cli.results import outcome

    for name, writer in WRITERS.items():
        patch(outcome, name, writer)


def run_killed_in(epoch, words):
    """Runs a command in a process of its own; see `interruption`."""
    return subprocess.run(
        [sys.executable, "-m", "tests.cli.interruption", str(epoch), *words],
        cwd=pathlib.Path(__file__).parents[2],
        env=dict(os.environ, TF_CPP_MIN_LOG_LEVEL="3"),
        check=False,
    ).returncode


@pytest.fixture(scope="package")
def small_flows():
    with pytest.MonkeyPatch.context() as patch:
        shrink_flows(patch.setattr)
        yield


@pytest.fixture(scope="module")
def no_pages(small_flows):
    with pytest.MonkeyPatch.context() as patch:
        skip_pages(patch.setattr)
        yield


@pytest.fixture(scope="package")
def fitted(small_flows, tmp_path_factory):
    """The folder of a run that conditions on column c, and its table."""
    folder = tmp_path_factory.mktemp("fitted")
    table = Tables(folder).csv()
    words = f"fit {table} --out {folder}/run --flow coupling-affine --context c"
    with pytest.MonkeyPatch.context() as patch:
        write_pages(patch.setattr)
        assert main([*words.split(), "--epochs", "2", "--batch-size", "60"]) == 0
    return folder / "run", table


@pytest.fixture
def refused(capsys):
    """Runs a command that must fail, and returns its one line."""

    def run(*words, code=2):
        try:
            received = main([str(word) for word in words])
        except SystemExit as end:  # argparse ends by itself
            received = end.code
        message = capsys.readouterr().err
        assert received == code
        assert message.startswith("tfp-flows")
        assert message.count("\n") == 1
        return message

    return run
