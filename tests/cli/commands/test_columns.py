"""Columns with bounds, with weights and with context, from `fit` to `sample`."""

import json

import numpy as np
import pytest

from tfp_flows import data
from tfp_flows.cli import main
from tfp_flows.cli.results.support import missing_bounds


def run(*words):
    assert main([str(word) for word in words]) == 0


def read(path):
    return np.genfromtxt(path, delimiter=",", skip_header=1)


QUICK = ["--flow", "coupling-affine", "--epochs", "1", "--batch-size", "60", "--quiet"]


def test_samples_stay_within_the_bounds(no_pages, tables, tmp_path):
    z = np.random.default_rng(3).normal(size=(300, 2))
    columns = {"a": np.exp(z[:, 0]), "b": 1 / (1 + np.exp(-z.sum(axis=1)))}
    table = tables.csv(c=np.arange(300) % 7 % 4, **columns)
    bounds = ["--bounds", "a=0:,b=0:1", "--bounds", "c=0:3"]
    words = ["--integers", "dequantize", *bounds, *QUICK]
    run("fit", table, "--out", tmp_path / "run", *words)
    run("sample", tmp_path / "run", "-n", 3000, "--out", tmp_path / "s.csv")
    a, b, c = read(tmp_path / "s.csv").T
    assert (a > 0).all()
    assert ((b > 0) & (b < 1)).all()
    assert set(c) == {0, 1, 2, 3}
    far = tables.csv("far.csv", rows=3, a=[1, -0.1, 1], b=[0.5, 0.5, 1.2], c=1)
    run("score", tmp_path / "run", far, "--out", tmp_path / "far.out.csv")
    scores = read(tmp_path / "far.out.csv")[:, 0]
    assert np.isfinite(scores).tolist() == [True, False, False]


def test_rows_beyond_or_on_a_bound_are_refused(refused, tables, tmp_path):
    table = tables.csv()
    numbers = np.loadtxt(table, delimiter=",", skiprows=1)
    words = ["fit", table, "--out", tmp_path / "run", "--bounds"]
    below = (numbers[:, 0] < -1).sum()
    row = 1 + np.argmax(numbers[:, 0] < -1)
    message = refused(*words, "a=-1:")
    assert f"{below} of 300 rows lie below the bound -1 of column 'a'" in message
    assert f"first row {row} with" in message
    values = np.random.default_rng(0).uniform(0.5, 1, 300)
    values[9] = 0
    table = tables.csv(b=values)
    message = refused(*words, "b=0:2")
    assert "1 of 300 rows lie exactly on the bound 0 of column 'b'" in message
    moved = message.split()[-1]
    assert moved == f"b={-values[values > 0].min() / 2:.4g}:2"
    assert "names the column 'z'" in refused(*words, "z=0:")


def test_held_out_figures_are_weighted_and_numeric_names_kept(
    no_pages, tables, tmp_path, capsys
):
    weights = np.random.default_rng(4).integers(0, 4, 300)
    table, out = tables.csv(header="0,1,2", **{"2": weights}), tmp_path / "run"
    run("fit", table, "--out", out, "--weights", "2", *QUICK)
    assert "first line names, 0, 1, 2" in capsys.readouterr().out
    record = json.loads((out / "run.json").read_text())
    assert record["options"]["weights"] == "2"
    assert record["schema"]["header"] is True
    run("score", out, table, "--out", tmp_path / "s.csv")
    split = data.split_rows(300)
    score = read(tmp_path / "s.csv")[:, 0]
    assert len(score) == 300
    metrics = json.loads((out / "metrics.json").read_text())
    for part, figure in (
        (split.test, metrics["held_out"][0]["nats"]),
        (split.validation, metrics["validation_nats"]),
    ):
        expected = np.average(score[part], weights=weights[part])
        assert figure == pytest.approx(expected, abs=1e-4)
    # A table without weights will do, and one that was drawn.
    run("sample", out, "-n", 5, "--out", tmp_path / "drawn.csv")
    run("score", out, tmp_path / "drawn.csv", "--out", tmp_path / "d.csv")
    assert len(read(tmp_path / "d.csv")) == 5


@pytest.mark.slow
def test_weights_move_the_model(no_pages, tables, tmp_path):
    z = np.random.default_rng(5).normal(size=400)
    table = tables.csv(rows=400, a=z + 10 * (z > 0), c=np.where(z > 0, 1.0, 1e-3))
    for name, words in (("one", []), ("many", ["--boost", "2"])):
        out = tmp_path / name
        run("fit", table, "--out", out, "--weights", "c", *words, *QUICK)
        run("sample", out, "-n", 1000, "--out", tmp_path / f"{name}.csv")
        assert np.mean(read(tmp_path / f"{name}.csv")[:, 0] > 5) > 0.9


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_context_reads_back_equal(fitted, tmp_path, ending):
    pd = pytest.importorskip("pandas")
    folder, _ = fitted
    numbers = [1.7e9 + 1 / 3, 0.1, 2**53 - 1.0, -3.0]
    for name, given in (("x", numbers), ("i", [1_700_000_123, -3, 0, 2**40])):
        frame, source = pd.DataFrame({"c": given}), tmp_path / f"{name}{ending}"
        frame.to_csv(source, index=False) if ending == ".csv" else frame.to_parquet(
            source
        )
        out = tmp_path / f"{name}.out{ending}"
        run("sample", folder, "-n", 4, "--context-data", source, "--out", out)
        back = pd.read_csv(out) if ending == ".csv" else pd.read_parquet(out)
        np.testing.assert_array_equal(back["c"], given)
        assert back["c"].dtype == frame["c"].dtype


def test_missing_bounds_are_those_of_a_column_with_an_edge():
    rng = np.random.default_rng(0)
    normal = rng.normal(size=(2, 4000))
    assert missing_bounds(*normal) is None
    assert missing_bounds(normal[0], normal[1] * 2) is None
    positive = np.exp(normal[0])
    low, high, share = missing_bounds(positive, positive - 0.2)
    assert (low, high) == ("0", "")
    assert share == pytest.approx(np.mean(positive < 0.2))
    uniform = rng.uniform(-1, 1, 4000)
    low, high, _ = missing_bounds(uniform, 1.1 * uniform)
    assert -1.01 < float(low) < uniform.min()
    assert uniform.max() < float(high) < 1.01
