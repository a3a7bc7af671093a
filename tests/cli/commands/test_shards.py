"""`score` of many files: complete ones stay, the rest is added, nothing is mixed."""

import shutil

import numpy as np
import pytest

from tests.cli.conftest import Tables
from tfp_flows.cli import main


def run(*words):
    assert main([str(word) for word in words]) == 0


@pytest.fixture
def parts(tmp_path):
    """A table whole, and the same rows in four files."""
    folder = tmp_path / "parts"
    folder.mkdir()
    whole = Tables(tmp_path).csv(rows=101)
    header, *lines = whole.read_text().splitlines()
    for number, some in enumerate(np.array_split(lines, [10, 11, 60])):
        (folder / f"{number}.csv").write_text("\n".join([header, *some]) + "\n")
    return whole, folder


def scores(folder):
    files = sorted(folder.glob("*.csv"))
    parts = [np.atleast_2d(np.loadtxt(f, delimiter=",", skiprows=1)) for f in files]
    return np.concatenate(parts)


def test_shards_give_the_scores_of_the_whole(fitted, parts, tmp_path, capsys):
    model, _ = fitted
    whole, folder = parts
    run("score", model, whole, "--out", tmp_path / "whole.csv")
    expected = np.loadtxt(tmp_path / "whole.csv", delimiter=",", skiprows=1)
    out = tmp_path / "out"
    run("score", model, folder / "*.csv", "--out", out)
    # As the other rows of a batch differ, so may the last bits.
    np.testing.assert_allclose(scores(out), expected, rtol=2e-6, atol=2e-6)
    assert "101 rows scored" in capsys.readouterr().out


def test_what_is_complete_stays_and_what_lacks_is_added(
    fitted, parts, tmp_path, refused, capsys
):
    model, _ = fitted
    _, folder = parts
    good, out = (folder / "2.csv").read_text(), tmp_path / "out"
    words = ["score", model, folder / "*.csv", "--out", out]
    (folder / "2.csv").write_text(good.replace("\n", "\nnan,0,0\n", 1))
    assert "2.csv: row 1 holds NaN" in refused(*words)
    names = {path.name for path in out.iterdir()}
    assert names == {"0.csv", "1.csv", "scores.json"}
    before = {name: (out / name).stat().st_mtime_ns for name in names}
    (folder / "2.csv").write_text(good)
    run(*words)
    said = capsys.readouterr().out
    assert "90 rows scored" in said
    assert "2 files had their scores" in said
    assert before == {name: (out / name).stat().st_mtime_ns for name in names}
    assert len(scores(out)) == 101


def test_nothing_is_mixed_or_replaced(fitted, parts, tmp_path, refused):
    model, _ = fitted
    _, folder = parts
    pattern = folder / "*.csv"
    assert "no file has such a name" in refused(
        "score", model, folder / "*.parquet", "--out", tmp_path / "out"
    )
    for out, what in ((folder, "this is the data"), ("-", "expected a folder")):
        assert what in refused("score", model, pattern, "--out", out)
    other = tmp_path / "other"
    other.mkdir()
    (other / "1.csv").write_text("mine")
    assert "not written by score" in refused("score", model, pattern, "--out", other)
    assert (other / "1.csv").read_text() == "mine"
    assert len(list(other.iterdir())) == 1
    (tmp_path / "more").mkdir()
    shutil.copy(folder / "0.csv", tmp_path / "more" / "0.csv")
    both = tmp_path / "*" / "0.csv"
    assert "would both have" in refused("score", model, both, "--out", tmp_path / "o")
    out = tmp_path / "out"
    run("score", model, pattern, "--out", out)
    record = out / "scores.json"
    record.write_text(record.read_text().replace('"model": "', '"model": "0'))
    assert "another model" in refused("score", model, pattern, "--out", out)
    run("score", model, pattern, "--out", out, "--overwrite")
    assert len(scores(out)) == 101
