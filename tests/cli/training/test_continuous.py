"""`fit --flow continuous`: what a solve costs is told, and a run goes on as it was."""

import csv

import numpy as np
import pytest

from tests.cli.interruption import stop_in
from tfp_flows.cli import main

QUICK = "--flow continuous --epochs 2 --batch-size 120 --quiet".split()


def history(folder):
    return list(csv.DictReader((folder / "history.csv").read_text().splitlines()))


def test_calls_are_shown_and_a_resumed_run_is_the_same(
    no_pages, tables, tmp_path, monkeypatch, capsys, refused
):
    def interrupt():
        raise KeyboardInterrupt

    words = ["fit", str(tables.csv()), *QUICK, "--context", "c", "--base", "gaussian"]
    assert main([*words, "--out", str(tmp_path / "run")]) == 0
    records = history(tmp_path / "run")
    shown = min(records[1:], key=lambda record: float(record["val_loss"]))
    calls, most = float(shown["val_calls"]), float(shown["val_most_calls"])
    # Two calls to start with and six a step.
    assert 8 <= calls <= most
    assert (most - 2) % 6 == 0
    line = f"calls of the velocity a row: mean {calls:.1f}, most {most:.0f}"
    assert line in capsys.readouterr().out.splitlines()

    parts = [*words, "--out", str(tmp_path / "parts")]
    stop_in(1, interrupt, monkeypatch.setattr)
    assert "--resume" in refused(*parts, code=130)
    monkeypatch.undo()
    assert main([*parts, "--resume"]) == 0
    assert history(tmp_path / "parts") == records

    drawn, scores = tmp_path / "drawn.csv", tmp_path / "scores.csv"
    run, table = str(tmp_path / "run"), words[1]
    assert main(["sample", run, "-n", "20", "--out", str(drawn)]) == 0
    assert main(["score", run, table, "--out", str(scores)]) == 0
    assert main(["evaluate", run, table]) == 0
    assert np.isfinite(np.loadtxt(drawn, delimiter=",", skiprows=1)).all()
    assert np.isfinite(np.loadtxt(scores, delimiter=",", skiprows=1)).all()


@pytest.mark.slow
def test_mixture_of_dequantized_ones_is_exported(small_flows, tables, tmp_path):
    integers = np.random.default_rng(1).poisson(5.0, 300)
    words = ["fit", str(tables.csv(b=integers)), *QUICK, "--integers", "dequantize"]
    words += ["--boost", "2", "--out", str(tmp_path / "run")]
    assert main(words) == 0
    assert "calls" in history(tmp_path / "run")[-1]
    report = (tmp_path / "run" / "report.html").read_text()
    assert "calls of the velocity a row" in report
    assert (tmp_path / "run" / "saved_model").is_dir()
