"""`fit --flow continuous`: what a solve costs is told, and a run goes on as it was."""

import csv
import functools
import json
import math

import numpy as np
import pytest

from tests.cli.interruption import stop_in
from tfp_flows import architectures, data
from tfp_flows.cli import main
from tfp_flows.cli.flows import choose_flow

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
def test_small_images_are_followed_at_several_scales(
    no_pages, tmp_path, monkeypatch, refused
):
    small = functools.partial(
        architectures.multiscale_continuous_flow, hidden_sizes=(4,)
    )
    monkeypatch.setattr(architectures, "multiscale_continuous_flow", small)
    images, out = tmp_path / "images.npy", tmp_path / "run"
    pixels = np.random.default_rng(0).binomial(8, 0.4, size=[100, 2, 2])
    np.save(images, pixels.astype("uint8"))
    words = ["fit", str(images), "--out", str(out), "--flow", "continuous"]
    assert "images have --base gaussian" in refused(*words, "--base", "mixture")
    assert main([*words, "--epochs", "1", "--quiet"]) == 0
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["flow"] == "multiscale-continuous"
    assert float(history(out)[-1]["val_calls"]) >= 8
    assert main(["sample", str(out), "-n", "3", "--out", str(tmp_path / "s.csv")]) == 0


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((8, 8, 1), "multiscale-continuous"),
        ((7, 8, 1), "continuous"),
        ((28, 28, 1), "continuous"),
        (None, "continuous"),
    ],
)
def test_velocities_at_several_scales_need_small_images_of_even_sides(shape, expected):
    size = 3 if shape is None else math.prod(shape)
    table = data.Table(
        "images",
        np.zeros([1, size]),
        tuple(f"x{i}" for i in range(size)),
        image_shape=shape,
    )
    assert choose_flow("continuous", table) == expected


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
