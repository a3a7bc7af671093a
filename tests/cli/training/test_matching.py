"""Matching before the first epoch of `fit --flow continuous`."""

import csv

import numpy as np
import pytest

from tfp_flows.cli import main
from tfp_flows.cli.parser import build_parser
from tfp_flows.cli.runs.options import FitOptions
from tfp_flows.cli.training import matching

LINE = "matching   1,000 steps, nats of validation rows "


@pytest.mark.parametrize("rates", [10.0, 1e4])
def test_a_velocity_is_kept_where_validation_rows_gain(
    no_pages, small_flows, tables, tmp_path, monkeypatch, capsys, rates
):
    """A rate that ruins the weights leaves the start as it was."""
    monkeypatch.setattr(matching, "SHORTEST_MATCHED", 1)
    monkeypatch.setattr(matching, "_RATES", rates)
    monkeypatch.setattr(matching, "_STEPS_AN_EPOCH", 1_000)
    angle = np.random.default_rng(0).uniform(0, 2 * np.pi, 300)
    ring = {"a": np.cos(angle), "b": np.sin(angle) + 0.1 * np.sin(37 * angle)}
    words = ["fit", str(tables.csv(**ring)), "--columns", "a,b", "--flow", "continuous"]
    words += ["--epochs", "1", "--base", "gaussian"]
    assert main([*words, "--quiet", "--out", str(tmp_path / "run")]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if LINE in line]
    before, _, after, *kept = line.removeprefix(LINE).split()
    with (tmp_path / "run" / "history.csv").open() as file:
        start = next(csv.DictReader(file))
    if rates == 10.0:
        assert not kept
        assert float(after) > float(before) + 0.1
        before = after
    else:
        assert kept == ["not", "kept"]
    assert -float(start["val_loss"]) == pytest.approx(float(before), abs=0.01)


@pytest.mark.parametrize(
    ("words", "epochs"),
    [
        ([], 100),
        (["--flow", "continuous"], 30),
        (["--flow", "continuous", "--boost", "2"], 100),
        (["--flow", "continuous", "--epochs", "7"], 7),
    ],
)
def test_most_epochs(words, epochs):
    namespace = build_parser().parse_args(["fit", "moons", "--out", "run", *words])
    assert FitOptions.from_namespace(namespace).epochs == epochs
