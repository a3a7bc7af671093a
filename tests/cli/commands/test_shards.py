"""`score` of many files: complete ones stay, the rest is added, nothing is mixed."""

import functools
import random
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

from tests.cli.conftest import Tables
from tfp_flows.cli import main
from tfp_flows.cli.results.fitted import FittedRun
from tfp_flows.cli.rows import log_density_function
from tfp_flows.cli.scoring import scorer as scoring
from tfp_flows.cli.scoring.scorer import Scorer, finite_rows

READERS = {
    ".csv": functools.partial(np.loadtxt, delimiter=",", skiprows=1, ndmin=2),
    ".parquet": pd.read_parquet,
}


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


def test_scores_do_not_depend_on_batches_and_shards(fitted, tmp_path, monkeypatch):
    run_folder = FittedRun.read(fitted[0])
    reference, _ = run_folder.held_out()
    scorer = Scorer(log_density_function(run_folder.model()), reference)
    header, *lines = Tables(tmp_path).csv(rows=10_000).read_text().splitlines()

    def scored(cuts, rows_at_a_time=8192, ending=".csv"):
        monkeypatch.setattr(scoring, "_ROWS_AT_A_TIME", rows_at_a_time)
        parts = []
        for number, some in enumerate(np.split(np.array(lines), cuts)):
            source = tmp_path / f"{number}.csv"
            source.write_text("\n".join([header, *some]) + "\n")
            target = tmp_path / f"scores-{number}{ending}"
            rows = finite_rows(str(source), run_folder.schema, drop_invalid=False)
            assert scorer.write(rows, target) == len(some)
            parts.append(READERS[ending](target))
        return np.concatenate(parts)

    whole = scored([])
    assert whole.shape == (10_000, 2)
    uneven = [1, 2, 19, 8211, 9999]
    for other in (
        scored(range(1000, 10_000, 1000)),
        scored(uneven),
        scored([], rows_at_a_time=50),
        scored(uneven, rows_at_a_time=997),
        scored([5000], ending=".parquet"),
    ):
        # As the other rows of a batch differ, so may the last bits.
        np.testing.assert_allclose(other, whole, rtol=2e-6, atol=2e-6)


@pytest.mark.slow
def test_killed_twenty_times_nothing_lacks_and_nothing_is_twice(fitted, tmp_path):
    folder = tmp_path / "parts"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(120):
        frame = pd.DataFrame(rng.normal(size=(20_000, 3)), columns=list("abc"))
        frame.to_parquet(folder / f"{number:03}.parquet")

    def start(out):
        words = ["score", fitted[0], f"{folder}/*.parquet", "--out", tmp_path / out]
        return subprocess.Popen(
            [sys.executable, "-u", "-m", "tfp_flows.cli", *map(str, words)],
            stdout=subprocess.PIPE,
            text=True,
        )

    began = time.monotonic()
    with start("never") as never:
        never.stdout.readline()
        to_first = time.monotonic() - began
        never.communicate(timeout=300)
    assert never.returncode == 0
    a_file = (time.monotonic() - began - to_first) / 119
    # A third of the kills while the model loads, the others in the midst of scoring.
    moments = random.Random(0)
    for kill in range(20):
        with start("killed") as process:
            if kill % 3 == 0:
                time.sleep(moments.uniform(0, to_first))
            else:
                for _ in range(moments.randint(1, 4)):
                    process.stdout.readline()
                time.sleep(moments.uniform(0, 1.5 * a_file))
            process.kill()
        assert process.returncode == -signal.SIGKILL, "too little was left to kill"
    with start("killed") as last:
        last.communicate(timeout=300)
    assert last.returncode == 0
    expected, received = (
        {path.name: path.read_bytes() for path in (tmp_path / out).iterdir()}
        for out in ("never", "killed")
    )
    assert sorted(received) == sorted(expected)
    assert received == expected
    assert len(scores(tmp_path / "killed")) == 120 * 20_000


def test_scores_in_the_format_of_the_rows(fitted, parts, tmp_path, refused):
    model, _ = fitted
    whole, folder = parts
    words = ["score", model, folder / "*.csv", "--out"]
    run(*words, tmp_path / "out" / "*.parquet")
    assert "in .parquet files" in refused(*words, tmp_path / "out")
    run("score", model, whole, "--out", tmp_path / "whole.parquet")
    files = sorted((tmp_path / "out").glob("*.parquet"))
    found = pd.concat(map(pd.read_parquet, files))
    expected = pd.read_parquet(tmp_path / "whole.parquet")
    np.testing.assert_allclose(found, expected, rtol=2e-6, atol=2e-6)
    run(*words, tmp_path / "out", "--overwrite")
    assert not list((tmp_path / "out").glob("*.parquet"))
    assert len(scores(tmp_path / "out")) == 101


@pytest.mark.slow
# Ray warns of its own settings, and leaves files to its processes.
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_ray_writes_the_files_of_one_process(fitted, parts, tmp_path, refused):
    pytest.importorskip("ray")
    model, _ = fitted
    _, folder = parts
    words = ["score", model, folder / "*.csv", "--out"]
    on_ray = ["--engine", "ray", "--workers", 2]
    run(*words, tmp_path / "local")
    run(*words, tmp_path / "ray", *on_ray)
    expected, received = (
        {path.name: path.read_bytes() for path in (tmp_path / out).iterdir()}
        for out in ("local", "ray")
    )
    assert received == expected
    # What is bad is named, and what is complete stays.
    text = (folder / "2.csv").read_text()
    (folder / "2.csv").write_text(text.replace("\n", "\nnan,0,0\n", 1))
    assert "2.csv: row 1 holds NaN" in refused(*words, tmp_path / "ray", *on_ray)
    assert (tmp_path / "ray" / "0.csv").read_bytes() == expected["0.csv"]


def test_an_engine_that_cannot_be_used_is_named(
    fitted, parts, tmp_path, refused, monkeypatch
):
    model, _ = fitted
    whole, folder = parts
    out = ["--out", tmp_path / "out"]
    said = refused("score", model, whole, *out, "--workers", 2)
    assert "--workers: for --engine ray alone" in said
    said = refused("score", model, whole, *out, "--engine", "ray")
    assert "expected a pattern" in said
    monkeypatch.setitem(sys.modules, "ray", None)
    said = refused("score", model, folder / "*.csv", *out, "--engine", "ray")
    assert 'install it with pip install "tfp_flows[ray]"' in said
    assert not (tmp_path / "out").exists()
