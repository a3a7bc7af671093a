"""`fit --boost`: a mixture of flows, resumable after each."""

import csv
import json
import signal

import numpy as np
import pytest

from tests.cli.conftest import Tables, run_killed_in
from tfp_flows.cli import main
from tfp_flows.cli.training.progress import Progress

QUICK = "--flow coupling-affine --epochs 3 --batch-size 60 --quiet --boost 2".split()


def results(folder):
    metrics = json.loads((folder / "metrics.json").read_text())
    return metrics, (folder / "history.csv").read_text()


@pytest.fixture(scope="module")
def boosted(no_pages, tmp_path_factory):
    """The words of a run, and its folder. Integers: a mixture of dequantized flows."""
    folder = tmp_path_factory.mktemp("boosted")
    table = Tables(folder).csv(b=np.random.default_rng(1).poisson(5.0, 300))
    words = ["fit", str(table), "--out", str(folder / "run"), *QUICK]
    words += ["--integers", "dequantize", "--context", "c"]
    assert main(words) == 0
    return words, folder / "run"


def test_mixture_is_trained_and_reported(boosted, tmp_path):
    _, folder = boosted
    metrics, history = results(folder)
    assert metrics["components"] == 2
    assert metrics["held_out"][0]["name"] == "2 boosted coupling-affine"
    records = list(csv.DictReader(history.splitlines()))
    assert [row["stage"] for row in records] == ["1"] * 4 + ["2"] * 3
    assert [row["epoch"] for row in records] == list("0123456")
    assert metrics["epochs"] == 6
    drawn = tmp_path / "drawn.csv"
    assert main(f"sample {folder} -n 40 --out {drawn}".split()) == 0
    rows = np.loadtxt(drawn, delimiter=",", skiprows=1)
    np.testing.assert_array_equal(rows[:, 1], np.rint(rows[:, 1]))


@pytest.mark.slow
def test_killed_in_its_second_stage_it_resumes_to_the_same_result(boosted, tmp_path):
    words, folder = boosted
    words = [*words, "--out", str(tmp_path / "run")]
    # Its first component took epochs 0, 1 and 2.
    assert run_killed_in(3, words) == -signal.SIGKILL
    assert Progress.read(tmp_path / "run.partial").epoch == 3
    assert run_killed_in("never", [*words, "--resume"]) == 0
    assert results(tmp_path / "run") == results(folder)


def test_divergence_in_the_first_stage_is_told(no_pages, tables, tmp_path, refused):
    words = ["fit", tables.csv(), "--out", tmp_path / "run", *QUICK]
    message = refused(*words, "--learning-rate", "1e30")
    assert "not a number in component 1" in message
    assert "smaller --learning-rate" in message


def test_number_of_flows_is_checked(tables, tmp_path, refused):
    words = ["fit", tables.csv(), "--out", tmp_path / "run"]
    for text in ("0", "many", "1.5"):
        message = refused(*words, "--boost", text)
        assert 'or "auto"' in message
