"""Input that cannot be used ends in one line, before training, without a trace."""

import subprocess
import sys

import numpy as np
import pytest

from tfp_flows.cli.runs.record import RunRecord
from tfp_flows.data import Schema


def fit_refused(refused, table, tmp_path, *words):
    """Expects a refusal that leaves no folder behind, and returns its line."""
    before = set(tmp_path.iterdir())
    message = refused("fit", table, "--out", tmp_path / "run", *words)
    assert set(tmp_path.iterdir()) == before
    return message


CASES = {
    "missing cell": ({"b": np.where(np.arange(300) == 9, np.nan, 0.1)}, [], "drop-inv"),
    "infinity": ({"b": np.where(np.arange(300) == 9, np.inf, 0.1)}, [], "row 10"),
    "constant": ({"b": 4.0}, [], "--exclude b"),
    "integers": ({"b": np.arange(300) % 7}, [], "--integers dequantize"),
    "counter": ({"a": np.arange(300)}, [], "counts the rows"),
    "one row": ({"rows": 1}, [], "received 1: give more rows"),
    "few rows": ({"rows": 25}, [], "at least 30 rows"),
    "unknown column": ({}, ["--columns", "a,z"], "'z', which is not there"),
    "overlap": ({}, ["--columns", "a,b", "--context", "b"], "both --columns and"),
    "glow on a table": ({}, ["--flow", "glow"], "expected images"),
    "no rows to train on": ({}, ["--validation", ".5", "--test", ".5"], "below 1"),
    "one row to report on": ({}, ["--test", "0.003"], "larger --test"),
}


@pytest.mark.parametrize("name", CASES)
def test_unusable_table(refused, tables, tmp_path, name):
    fields, words, message = CASES[name]
    assert message in fit_refused(refused, tables.csv(**fields), tmp_path, *words)


def test_copied_column(refused, tables, tmp_path):
    path = tables.csv(header="a,b,c,d")
    rows = np.loadtxt(path, delimiter=",", skiprows=1)
    rows[:, 3] = 2.0 * rows[:, 0] - 1.0
    np.save(tmp_path / "t.npy", rows)
    message = fit_refused(refused, tmp_path / "t.npy", tmp_path)
    assert "'x3' repeats 'x0'" in message
    assert "--exclude x3" in message


def test_column_constant_in_the_training_rows(refused, tables, tmp_path):
    late = np.where(
        np.arange(300) < 280, 0.0, np.random.default_rng(1).normal(size=300)
    )
    path = tables.csv(b=late)
    words = ["--split", "tail", "--integers", "continuous"]
    message = fit_refused(refused, path, tmp_path, *words)
    assert "one value in all 240 training rows" in message


def test_context_constant_in_the_training_rows(refused, tables, tmp_path):
    path = tables.csv(c=np.arange(300) >= 280)
    words = ["--split", "tail", "--context", "c"]
    message = fit_refused(refused, path, tmp_path, *words)
    assert "'c' has one value in all 240 training rows" in message
    assert "--split random" in message


def test_folder(refused, tmp_path):
    (tmp_path / "sets").mkdir()
    message = fit_refused(refused, tmp_path / "sets", tmp_path)
    assert "this is a folder" in message


def test_columns_of_text_are_named_at_once(refused, tmp_path):
    lines = ["F,?,2020-01-01,1.5", "M,2.5,2020-01-02,3.5", "M,4.5,2020-01-03,4.5"]
    text = "\n".join(['sex,b,"a, mm",c', *lines])
    (tmp_path / "t.csv").write_text(text)
    message = fit_refused(refused, tmp_path / "t.csv", tmp_path)
    assert "2 columns are not numeric (sex: 'F', a, mm: '2020-01-01')" in message
    assert "--exclude 'sex,\"a, mm\"'; 1 of 3 cells of 'b' are '?'" in message
    assert "--missing '?'" in message
    words = ["--exclude", 'sex,"a, mm"', "--missing", "?"]
    message = fit_refused(refused, tmp_path / "t.csv", tmp_path, *words)
    assert "1 of 3 rows hold NaN" in message


def test_weights_are_numbers_of_at_least_zero(refused, tables, tmp_path):
    weights = np.where(np.arange(300) == 9, -0.5, 1.0)
    path, words = tables.csv(c=weights), ["--weights", "c"]
    message = fit_refused(refused, path, tmp_path, *words)
    assert "at least 0, received -0.5 in row 10, column 'c'" in message
    message = fit_refused(refused, path, tmp_path, *words, "--columns", "a,c")
    assert "both --columns and --weights" in message
    path = tables.csv(c=np.where(np.arange(300) == 9, np.nan, 1.0))
    message = fit_refused(refused, path, tmp_path, *words)
    assert "1 weights in column 'c' are NaN or infinite, first in row 10" in message
    assert "every weight in column 'c' is 0" in fit_refused(
        refused, tables.csv(c=0.0), tmp_path, *words
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file"),
        ("", "is empty"),
        ("a,b\n", "no rows"),
        ("a,b\n1.5,u\n", "not numeric"),
        ('a,b\n1.5,2\n"1.5,', "EOF"),
    ],
)
def test_unreadable_file(refused, tmp_path, content, message):
    path = tmp_path / "t.csv"
    if content is not None:
        path.write_text(content)
    assert message in fit_refused(refused, path, tmp_path)


def test_unknown_name_and_ending(refused, tmp_path):
    assert "digits" in fit_refused(refused, "digit", tmp_path)
    assert ".parquet" in fit_refused(refused, "t.txt", tmp_path)


def test_unwritable_folder(refused, tables, tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    table = tables.csv()
    message = refused("fit", table, "--out", file / "run")
    assert "choose another folder" in message
    message = refused("fit", table, "--out", file)
    assert "this is a file" in message


def test_missing_package_is_named_before_training(
    refused, tables, tmp_path, monkeypatch
):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    message = fit_refused(refused, tables.csv(), tmp_path)
    assert 'pip install "tfp_flows[cli]"' in message


def test_nothing_heavy_is_loaded_before_the_data_are_checked(tables, tmp_path):
    code = (
        "import sys\n"
        "from tfp_flows.cli import main\n"
        f"code = main(['fit', {str(tables.csv(b=1.0))!r}, '--out', 'x'])\n"
        "sys.exit(0 if code == 2 and 'tensorflow' not in sys.modules else 1)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, cwd=tmp_path)
    assert done.returncode == 0


class TestRunFolder:
    """What may be in the place of DIR."""

    @staticmethod
    def write_record(folder):
        folder.mkdir()
        RunRecord("0", {}, Schema(columns=("a",)), "").write(folder)

    def test_complete_run_is_not_overwritten(self, refused, tables, tmp_path):
        self.write_record(tmp_path / "run")
        assert "--overwrite" in fit_refused(refused, tables.csv(), tmp_path)

    def test_what_no_run_wrote_stays(self, refused, tables, tmp_path):
        self.write_record(tmp_path / "run")
        (tmp_path / "run" / "notes.txt").write_text("mine")
        message = fit_refused(refused, tables.csv(), tmp_path, "--overwrite")
        assert "no run wrote notes.txt in it: move what is yours" in message
        assert (tmp_path / "run" / "notes.txt").read_text() == "mine"

    @pytest.mark.parametrize("name", ["run", "run.partial"])
    def test_data_are_never_replaced(self, refused, tables, tmp_path, name):
        self.write_record(tmp_path / name)
        table = tables.csv().rename(tmp_path / name / "history.csv")
        message = fit_refused(refused, table, tmp_path, "--overwrite")
        assert "the data" in message
        assert "are in this folder: move them" in message
        assert table.exists()

    def test_other_folder_is_never_replaced(self, refused, tables, tmp_path):
        precious = tmp_path / "run" / "thesis.tex"
        precious.parent.mkdir()
        precious.write_text("years of work")
        message = fit_refused(refused, tables.csv(), tmp_path, "--overwrite")
        assert "only the folder of a run is replaced" in message
        assert precious.read_text() == "years of work"

    def test_interrupted_run_is_mentioned(self, refused, tables, tmp_path):
        self.write_record(tmp_path / "run.partial")
        message = fit_refused(refused, tables.csv(), tmp_path)
        assert "--resume" in message
        assert "--overwrite" in message

    def test_standard_output_is_no_folder(self, refused, tables):
        assert "fit writes a folder" in refused("fit", tables.csv(), "--out", "-")

    def test_nothing_to_resume(self, refused, tables, tmp_path):
        message = fit_refused(refused, tables.csv(), tmp_path, "--resume")
        assert "leave out --resume" in message


class TestFittedFolder:
    """What `score`, `sample` and `evaluate` are given as DIR."""

    @pytest.mark.parametrize("command", ["score", "evaluate", "sample"])
    def test_no_run(self, refused, tmp_path, command):
        words = {
            "score": ["moons", "--out", tmp_path / "s.csv"],
            "evaluate": ["moons"],
            "sample": ["-n", "3", "--out", tmp_path / "s.csv"],
        }[command]
        assert "there is no run here" in refused(command, tmp_path / "x", *words)
        (tmp_path / "x.partial").mkdir()
        message = refused(command, tmp_path / "x", *words)
        assert "not complete: repeat its command with --resume" in message
        (tmp_path / "x").mkdir()
        (tmp_path / "x" / "run.json").write_text('{"version": "0"')
        assert "x/run.json: this file" in refused(command, tmp_path / "x", *words)
        assert not (tmp_path / "s.csv").exists()
