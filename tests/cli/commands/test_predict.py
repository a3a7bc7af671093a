"""Targets given features: `fit --target`, by both objectives, and `predict`."""

import json

import numpy as np
import pytest

from tfp_flows.cli import main

QUICK = ["--flow", "coupling-affine", "--batch-size", "60", "--quiet"]


def run(*words):
    assert main([str(word) for word in words]) == 0


def read(path):
    return np.genfromtxt(path, delimiter=",", names=True)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """y has mean 10 x and deviation 3, and a second target goes along."""
    rng = np.random.default_rng(0)
    x, kind = rng.normal(size=[2, 900])
    y = 10 * x + 3 * rng.normal(size=900)
    path = tmp_path_factory.mktemp("regression") / "table.csv"
    rows = np.stack([x, y, kind, y + rng.normal(size=900)], axis=1)
    np.savetxt(path, rows, "%.9g", ",", header="x,y,other,z", comments="")
    return path


@pytest.fixture(scope="module")
def fitted(table, small_flows, tmp_path_factory):
    folder = tmp_path_factory.mktemp("energy") / "run"
    words = ["--target", "y,z", "--objective", "energy", "--epochs", 12]
    run("fit", table, "--out", folder, *words, "--learning-rate", 0.01, *QUICK)
    return folder


def test_a_run_by_the_energy_score_is_judged_by_its_draws(fitted):
    metrics = json.loads((fitted / "metrics.json").read_text())
    record = json.loads((fitted / "run.json").read_text())["schema"]
    assert record["columns"] == ["y", "z"]
    assert record["context_columns"] == ["x", "other"]
    found = metrics["forecasts"]
    # Of a normal of deviation 3 it is 3 · 0.564 / 0.5 · ½.
    crps, error = found["crps"]["y"]
    assert crps < 0.4 * found["crps_without_features"]["y"]
    assert crps > 3 / np.sqrt(np.pi) - 4 * error
    assert metrics["validation_energy_score"] > found["energy_score"][0] / 2
    assert "validation_nats" not in metrics
    assert metrics["held_out"][0]["name"] == "coupling-affine flow"
    for level, holds in found["coverage"].items():
        share, error = holds["z"]
        assert abs(share - float(level)) < 0.25
    for name in ("forecasts.png", "report.html", "saved_model"):
        assert (fitted / name).exists()


def test_predictions_are_in_the_units_of_the_targets(fitted, tmp_path):
    new = tmp_path / "new.csv"
    new.write_text("other,x\n0,-1\n0,0\n0,1\n")
    words = ["--intervals", 0.5, 0.9, "--draws", 400]
    run("predict", fitted, new, *words, "--out", tmp_path / "out.csv")
    found = read(tmp_path / "out.csv")
    points = ("mean", "q005", "q025", "q05", "q075", "q095")
    assert found.dtype.names == tuple(f"{t}_{p}" for t in "yz" for p in points)
    np.testing.assert_allclose(found["y_mean"], [-10, 0, 10], atol=3)
    assert np.all(np.diff([found[f"y_{p}"] for p in points[1:]], axis=0) > 0)
    run("predict", fitted, new, *words, "--out", tmp_path / "again.csv")
    assert (tmp_path / "out.csv").read_text() == (tmp_path / "again.csv").read_text()


def test_the_likelihood_gives_the_same_table(no_pages, table, tmp_path, capsys):
    words = ["--target", "y", "--epochs", 2, *QUICK]
    run("fit", table, "--out", tmp_path / "run", *words)
    out = capsys.readouterr().out
    assert "forecasts (90 rows)" in out
    assert "50% holds" in out
    assert "energy score, in standard deviations" in out
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert {"validation_nats", "forecasts"} <= set(metrics)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--target q", "--target names the column 'q', which is not there"),
        ("--target y --columns z", "--columns and --target both name what is modeled"),
        ("--target y --exclude y", "column 'y' is in both --target and --exclude"),
        ("--target y --weights y", "column 'y' is in both --target and --weights"),
        ("--target x,y,z,other", "no column is left to predict from"),
        ("--target y --objective energy --base mixture", "draws have no gradient"),
        ("--target y --objective energy --boost 2", "energy with --boost"),
    ],
)
def test_what_cannot_be_predicted_is_refused(refused, table, tmp_path, words, message):
    assert message in refused("fit", table, "--out", tmp_path / "run", *words.split())


def test_texts_are_features_too(no_pages, refused, tables, tmp_path):
    rng = np.random.default_rng(0)
    kinds = rng.choice(["red", "blue", "green"], size=400)
    y = np.select([kinds == "red", kinds == "blue"], [0.0, 20.0], 40.0)
    y += rng.normal(size=400)
    table = tmp_path / "kinds.csv"
    rows = [f"{value:.9g},{kind}" for value, kind in zip(y, kinds, strict=True)]
    table.write_text("\n".join(["y,kind", *rows]) + "\n")
    words = ["--target", "y", "--epochs", 1, *QUICK]
    run("fit", table, "--out", tmp_path / "run", *words)
    record = json.loads((tmp_path / "run" / "run.json").read_text())["schema"]
    assert record["context_columns"] == ["kind=green", "kind=red"]
    new = tmp_path / "new.csv"
    new.write_text("kind\nred\nblue\n")
    run("predict", tmp_path / "run", new, "--out", tmp_path / "out.csv")
    assert len(read(tmp_path / "out.csv")) == 2
    new.write_text("kind\nred\npurple\n")
    message = refused("predict", tmp_path / "run", new, "--out", tmp_path / "o.csv")
    assert "column 'kind' holds 'purple' in row 2" in message
    assert "(blue, green, red)" in message
    rows = [f"{value:.9g},{place}th" for place, value in enumerate(y)]
    table.write_text("\n".join(["y,kind", *rows]) + "\n")
    message = refused("fit", table, "--out", tmp_path / "other", *words)
    assert "400 different texts" in message
    assert "--exclude kind" in message


@pytest.mark.slow
def test_whole_numbers_are_targets_without_a_word(no_pages, tables, tmp_path):
    counts = np.random.default_rng(0).poisson(4.0, 400)
    words = ["--target", "b", "--objective", "energy", "--epochs", 1, *QUICK]
    run("fit", tables.csv(rows=400, b=counts), "--out", tmp_path / "run", *words)
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["schema"]["integer_columns"] == ["b"]
    assert record["options"]["integers"] == "dequantize"
    (tmp_path / "new.csv").write_text("a,c\n0,1\n1,0\n")
    out = tmp_path / "out.csv"
    run("predict", tmp_path / "run", tmp_path / "new.csv", "--out", out)
    for point in ("q005", "q05", "q095"):
        found = read(out)[f"b_{point}"]
        np.testing.assert_array_equal(found, np.rint(found))


def test_columns_that_tell_nothing_are_named_with_the_remedy(refused, table, tmp_path):
    lines = table.read_text().splitlines()
    flat = tmp_path / "flat.csv"
    flat.write_text("\n".join([f"{lines[0]},flat", *(f"{r},1" for r in lines[1:])]))
    out = ["--out", tmp_path / "run"]
    message = refused("fit", flat, "--target", "y", *out)
    assert "column 'flat' has one value in every row" in message
    assert "with --exclude flat" in message
    message = refused("fit", flat, "--target", "flat", *out)
    assert "column 'flat' has one value" in message
    assert "leave it out of --target" in message


def test_cells_without_a_number_are_named(refused, fitted, tmp_path):
    new = tmp_path / "new.csv"
    new.write_text("other,x\n0,1\n0,\n")
    message = refused("predict", fitted, new, "--out", tmp_path / "out.csv")
    assert "column 'x' is missing or infinite in row 2" in message


def test_missing_targets_and_models_without_features(refused, table, tmp_path):
    lines = table.read_text().splitlines()
    lines[5] = "1,,1,1"
    holes = tmp_path / "holes.csv"
    holes.write_text("\n".join(lines) + "\n")
    words = ["--target", "y", "--out", tmp_path / "run"]
    message = refused("fit", holes, *words)
    assert "'y'" in message
    assert "--drop-invalid" in message
