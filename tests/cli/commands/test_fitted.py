"""`score`, `sample` and `evaluate` of one fitted, conditional model."""

import json
import os
import resource
import shutil

import numpy as np
import pytest

from tfp_flows import data
from tfp_flows.cli import main


def run(*words):
    assert main([str(word) for word in words]) == 0


def read(path):
    return np.genfromtxt(path, delimiter=",", skip_header=1)


def test_scores_are_the_held_out_likelihoods(fitted, tmp_path):
    folder, table = fitted
    run("score", folder, table, "--out", tmp_path / "s.csv")
    scores = read(tmp_path / "s.csv")
    assert scores.shape == (300, 2)
    test = data.split_rows(300).test
    metrics = json.loads((folder / "metrics.json").read_text())
    expected = metrics["held_out"][0]["nats"]
    assert scores[test, 0].mean() == pytest.approx(expected, abs=1e-5)
    # Held-out rows compared with themselves have all ranks from 2 to n + 1.
    np.testing.assert_allclose(np.sort(scores[test, 1]) * 31, np.arange(2, 32), 1e-5)
    order = np.argsort(scores[:, 0])
    assert (np.diff(scores[order, 1]) >= 0).all()


def test_outlier_has_the_smallest_p_value(fitted, tables, tmp_path):
    folder, _ = fitted
    table = tables.csv(rows=5, a=[0, 0, 50, 0, 0], b=0.0)
    run("score", folder, table, "--out", tmp_path / "s.csv")
    scores = read(tmp_path / "s.csv")
    assert scores[2, 1] == pytest.approx(1 / 31, rel=1e-5)
    assert (scores[[0, 1, 3, 4], 1] > 0.1).all()


@pytest.mark.parametrize("far", [1e19, 1e30, 1e39, 1e300])
def test_row_without_finite_density_has_the_smallest_p_value(
    fitted, tables, tmp_path, capsys, far
):
    folder, _ = fitted
    table = tables.csv(rows=4, a=[0, far, -far, 0], b=0.0, c=[0, 0, 0, far])
    run("score", folder, table, "--out", tmp_path / "s.csv")
    scores = read(tmp_path / "s.csv")
    assert np.isfinite(scores[0]).all()
    np.testing.assert_allclose(scores[1:3, 1], 1 / 31, 1e-5)
    assert not np.isnan(scores).any()
    run("evaluate", folder, table)
    assert "flow" in capsys.readouterr().out


def test_damaged_file_is_named(fitted, tmp_path, refused):
    folder, table = fitted
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    draw = ["sample", copy, "-n", "3", "--out", tmp_path / "s.csv"]
    commands = {
        "model.keras": draw,
        "held_out.npz": ["score", copy, table, "--out", tmp_path / "s.csv"],
        "yardsticks.npz": ["evaluate", copy, table],
        "run.json": draw,
    }
    for name, words in commands.items():
        whole = (copy / name).read_bytes()
        for size in (0, 10, len(whole) // 2):
            (copy / name).write_bytes(whole[:size])
            message = refused(*words)
            assert f"{copy / name}: this file of a run is damaged" in message
            assert "--overwrite" in message
        (copy / name).write_bytes(whole)
    (copy / "model.keras").unlink()
    assert "model.keras: this file of a run is missing" in refused(*draw)
    assert not (tmp_path / "s.csv").exists()


def test_endings_in_capitals_are_known(fitted, tables, tmp_path):
    folder, _ = fitted
    for ending in ("CSV", "PARQUET", "NPY", "NPZ"):
        drawn = tmp_path / f"drawn.{ending}"
        run("sample", folder, "-n", "5", "--out", drawn)
        run("score", folder, drawn, "--out", tmp_path / f"{ending}.CSV")
        assert read(tmp_path / f"{ending}.CSV").shape == (5, 2)


def test_scores_do_not_depend_on_format_or_column_order(fitted, tmp_path):
    folder, table = fitted
    rows = read(table)
    np.save(tmp_path / "t.npy", rows)
    np.savez(tmp_path / "t.npz", x=rows[:, :2], context=rows[:, 2])
    np.savetxt(
        tmp_path / "t.csv",
        np.column_stack([rows[:, 2], rows[:, 0], rows[:, 0], rows[:, 1]]),
        fmt="%.17g",
        header="c,unused,a,b",
        delimiter=",",
        comments="",
    )
    run("score", folder, table, "--out", tmp_path / "expected.csv")
    for ending in ("csv", "npy", "npz"):
        out = tmp_path / f"{ending}-scores.csv"
        run("score", folder, tmp_path / f"t.{ending}", "--out", out)
        assert out.read_text() == (tmp_path / "expected.csv").read_text()


def test_invalid_rows_are_refused_or_left_empty(fitted, tables, tmp_path, refused):
    folder, _ = fitted
    bad = tables.csv(rows=30, b=np.where(np.arange(30) == 4, np.nan, 0.0))
    out = tmp_path / "s.csv"
    assert "row 5 holds NaN" in refused("score", folder, bad, "--out", out)
    assert "row 5, column 'b'" in refused("evaluate", folder, bad)
    assert not out.exists()
    run("score", folder, bad, "--out", out, "--drop-invalid")
    scores = read(out)
    assert np.isnan(scores[4]).all()
    assert np.isfinite(np.delete(scores, 4, axis=0)).all()


def test_error_far_into_the_data_leaves_no_file(fitted, tables, tmp_path, refused):
    folder, _ = fitted
    table = tables.csv(rows=20_000)
    with table.open("a") as lines:
        lines.write("1,2,oops\n")
    before = set(tmp_path.iterdir())
    message = refused("score", folder, table, "--out", tmp_path / "s.csv")
    assert "'c' is not numeric (row 20001: 'oops')" in message
    assert set(tmp_path.iterdir()) == before


def test_wrong_width_names_and_type_are_refused(fitted, tables, tmp_path, refused):
    folder, _ = fitted
    out = tmp_path / "s.csv"
    np.save(tmp_path / "wide.npy", np.zeros([5, 4]))
    message = refused("score", folder, tmp_path / "wide.npy", "--out", out)
    assert "expected 3 columns (a, b, c), received 4" in message
    np.save(tmp_path / "text.npy", np.array([["a", "b", "c"]]))
    message = refused("score", folder, tmp_path / "text.npy", "--out", out)
    assert "dtype <U1" in message
    other = tables.csv(header="a,b,d")
    message = refused("evaluate", folder, other)
    assert "but c is not among its 3 (a, b, d)" in message


def test_output_is_checked_first(fitted, tmp_path, refused):
    folder, table = fitted
    taken = tmp_path / "taken.csv"
    taken.write_text("mine")
    assert "--overwrite" in refused("score", folder, table, "--out", taken)
    assert taken.read_text() == "mine"
    assert "ending in .csv" in refused("score", folder, table, "--out", "s.txt")
    absent = tmp_path / "absent" / "s.csv"
    assert "make it first" in refused("sample", folder, "-n", "3", "--out", absent)


def test_an_input_is_never_an_output(fitted, tmp_path, refused):
    folder, table = fitted
    copy = tmp_path / "t.csv"
    shutil.copy(table, copy)
    (tmp_path / "link.csv").symlink_to(copy)
    before = copy.read_bytes()
    score, sample = ["score", folder, copy], ["sample", folder, "-n", "3"]
    for out in (copy, tmp_path / "link.csv"):
        more = ["--out", out, "--overwrite"]
        assert "this is the data" in refused(*score, *more)
        assert "this is the data" in refused(*sample, "--context-data", copy, *more)
    for words, name in ((score, "history.csv"), (sample, "held_out.npz")):
        message = refused(*words, "--out", folder / name, "--overwrite")
        assert "this is a file of the run" in message
    os.mkfifo(tmp_path / "pipe.csv")
    message = refused(*score, "--out", tmp_path / "pipe.csv", "--overwrite")
    assert "a pipe or a device" in message
    assert copy.read_bytes() == before


def test_a_dash_is_the_standard_output(fitted, tmp_path, capsys):
    folder, table = fitted
    for words in (["score", folder, table], ["sample", folder, "-n", "7"]):
        capsys.readouterr()
        run(*words, "--out", "-")
        lines, said = capsys.readouterr()
        run(*words, "--out", tmp_path / "same.csv", "--overwrite")
        assert lines == (tmp_path / "same.csv").read_text()
        assert said.splitlines()[-1].endswith(": -")


@pytest.fixture
def full_disk():
    """No file may grow beyond 9000 bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (9000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("ending", ["csv", "npy"])
def test_a_full_disk_is_named_by_the_file(fitted, tmp_path, refused, full_disk, ending):
    folder, _ = fitted
    out = tmp_path / f"s.{ending}"
    message = refused("sample", folder, "-n", "1000", "--out", out)
    assert message.startswith(f"tfp-flows: error: {out}: ")
    assert message.endswith("choose another place or free it\n")
    assert list(tmp_path.iterdir()) == []


def test_remedies_are_flags_of_the_command(fitted, tables, tmp_path, refused):
    folder, _ = fitted
    table = tables.csv(rows=4, b=np.nan)
    message = refused("evaluate", folder, table, "--drop-invalid")
    assert "every row holds NaN or an infinity: give rows without" in message
    table.write_text("a,b,c\n1,x,2\n")
    message = refused("score", folder, table, "--out", "-")
    assert "'b' is not numeric (row 1: 'x'): mend the cell\n" in message


@pytest.mark.parametrize("ending", ["csv", "parquet", "npy", "npz"])
def test_samples_come_back_in_every_format(fitted, tmp_path, ending):
    folder, _ = fitted
    out, again = tmp_path / f"one.{ending}", tmp_path / f"two.{ending}"
    run("sample", folder, "-n", "70", "--seed", "5", "--out", out)
    run("sample", folder, "-n", "70", "--seed", "5", "--out", again)
    schema = data.Schema(("a", "b"), ("c",), ("a", "b", "c"))
    first, second = (data.load_like(path, schema) for path in (out, again))
    assert first.values.shape == (70, 2)
    np.testing.assert_array_equal(first.values, second.values)
    # The 30 held-out contexts take turns.
    np.testing.assert_array_equal(first.context[:30], first.context[30:60])
    other = tmp_path / f"three.{ending}"
    run("sample", folder, "-n", "70", "--seed", "6", "--out", other)
    assert (data.load_like(other, schema).values != first.values).all()


def test_samples_follow_the_given_context(fitted, tables, tmp_path, refused):
    folder, _ = fitted
    given = tmp_path / "given.csv"
    given.write_text("c\n0.5\n-1.5\n")
    out = tmp_path / "s.csv"
    run("sample", folder, "-n", "5", "--out", out, "--context-data", given)
    np.testing.assert_allclose(read(out)[:, 2], [0.5, -1.5, 0.5, -1.5, 0.5])
    given.write_text("d\n0.5\n")
    words = ["sample", folder, "-n", "5", "--out", out, "--overwrite"]
    assert "c is not among" in refused(*words, "--context-data", given)


def test_evaluate_prints_the_table(fitted, capsys):
    folder, table = fitted
    run("evaluate", folder, table)
    lines = capsys.readouterr().out.splitlines()
    assert lines[-4].startswith("table (300 rows)")
    assert [line.split()[0] for line in lines[-3:]] == ["flow", "Gaussian", "mixture"]
