"""A fit to more rows than are kept in memory reads its files in each epoch."""

import json
import pathlib

import numpy as np
import pandas as pd
import pytest

from tests.cli.conftest import run_killed_in
from tfp_flows import data
from tfp_flows.architectures import coupling_flow
from tfp_flows.cli import main
from tfp_flows.cli.commands import fit
from tfp_flows.cli.parser import build_parser
from tfp_flows.cli.runs.folder import RunDir
from tfp_flows.cli.runs.options import FitOptions
from tfp_flows.cli.training.batches import batches_of
from tfp_flows.data import streamed
from tfp_flows.models import FlowModel


def write_parts(folder, change=lambda values: values, files=5, rows=400):
    """Files whose first column says which file and row it is."""
    folder.mkdir()
    values = np.random.default_rng(0).normal(size=(files * rows, 3))
    values[:, 0] = (np.arange(len(values)) + 0.5) ** 1.5
    for number, part in enumerate(np.split(change(values), files)):
        frame = pd.DataFrame(part, columns=list("abc"))
        frame.to_parquet(folder / f"{number}.parquet")
    return str(folder / "*.parquet")


def prepared(pattern, *words):
    given = ["fit", pattern, "--out", "unused", "--rows-in-memory", "500", *words]
    options = FitOptions.from_namespace(build_parser().parse_args(given))
    return fit._prepare(options, RunDir(pathlib.Path("unused")))


def epochs(task, count, first=0, size=2):
    """First columns of the batches of some epochs, [epochs, steps, rows]."""
    model = FlowModel(coupling_flow(size, num_layers=1, hidden_sizes=(4,)))
    found, steps = batches_of(task, model, first_epoch=first)
    taken = found.take(count * steps).as_numpy_iterator()
    values = [x[0] if isinstance(x, tuple) else x for (x,) in taken]
    return np.array(values)[..., 0].reshape(count, steps, -1)


def test_an_epoch_visits_each_training_row_once(tmp_path, monkeypatch):
    monkeypatch.setattr(streamed, "_SHUFFLED", 2_000)
    monkeypatch.setattr(streamed, "_MOST_ROWS", 100)
    task = prepared(write_parts(tmp_path / "parts"), "--batch-size", "100")
    assert task.table.num_rows == 500
    assert task.counts == {"train": 1900, "validation": 50, "test": 50}
    held_out = np.concatenate([task.validation.values, task.test.values])[:, 0]
    first, second = epochs(task, 2, size=3)
    assert first.shape == (19, 100)
    assert len(np.unique(first)) == 1900
    assert not np.isin(first, held_out.astype("float32")).any()
    assert not np.array_equal(first, second)
    # Rows of several files are in each batch.
    assert all(len(np.unique(batch ** (2 / 3) // 400)) > 1 for batch in first)
    np.testing.assert_array_equal(epochs(task, 1, first=1, size=3)[0], second)


def test_the_rows_kept_are_drawn_from_all(tmp_path):
    pattern = write_parts(tmp_path / "parts")
    table = data.load(pattern, rows_in_memory=500)
    places = table.values[:, 0] ** (2 / 3)
    np.testing.assert_allclose(places, table.row_numbers - 0.5, rtol=1e-12)
    counts = np.bincount(table.row_numbers // 401, minlength=5)
    assert counts.sum() == 500
    assert np.abs(counts - 100).max() < 40
    assert data.load(pattern, rows_in_memory=2000).drawn_from is None
    whole = data.load(pattern, rows_in_memory=0.5)
    assert whole.fingerprint() == data.load(pattern).fingerprint()
    assert table.fingerprint() != whole.take(table.row_numbers - 1).fingerprint()


def test_copies_of_held_out_rows_are_not_trained_on(tmp_path):
    def doubled(values):
        values[1000:] = values[:1000]
        return values

    task = prepared(write_parts(tmp_path / "parts", doubled), "--batch-size", "100")
    held_out = np.concatenate([task.validation.values, task.test.values])[:, 0]
    found = epochs(task, 1, size=3)
    assert found.shape[1] == task.counts["train"] // 100 < 19
    assert not np.isin(found, held_out.astype("float32")).any()


def test_rows_with_gaps_are_found_wherever_they_are(tmp_path):
    def gap(values):
        values[::7, 1] = np.nan
        return values

    pattern = write_parts(tmp_path / "parts", gap)
    with pytest.raises(data.DataError, match=r"286 of 2,000 rows hold NaN"):
        prepared(pattern)
    task = prepared(pattern, "--drop-invalid", "--context", "c", "--batch-size", "64")
    assert task.table.dropped == 286
    assert task.table.drawn_from.num_rows == 1714
    assert np.isfinite(epochs_with_context(task)).all()


def epochs_with_context(task):
    flow = coupling_flow(2, context_size=1, num_layers=1, hidden_sizes=(4,))
    found, steps = batches_of(task, FlowModel(flow))
    return np.concatenate(
        [np.hstack(x) for (x,) in found.take(steps).as_numpy_iterator()]
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--boost", "2"], "needs all rows in memory, where 500 may be"),
        (["--split", "tail"], "needs all rows in memory, where 500 may be"),
        (["--weights", "a"], "rows with weights are all kept in memory"),
        (["--bounds", "b=-3:3"], "lie above the bound 3"),
        (
            ["--integers", "dequantize", "--exclude", "a"],
            "'c' holds .* no multiple of 1",
        ),
    ],
)
def test_what_all_rows_have_to_be_is_checked_before(tmp_path, words, message):
    def change(values):
        # In none of the rows that are kept.
        kept = data.load(plain, rows_in_memory=500).row_numbers - 1
        place = np.setdiff1d(np.arange(2000), kept)[-1]
        values[:, 1] = values[:, 1].clip(-2.9, 2.9)
        values[:, 2] = np.rint(values[:, 2] * 3) if "--integers" in words else 0.1
        values[:, 2] += 0 if "--integers" in words else values[:, 1] ** 3
        values[place, 1:] += 0.5 + 5 * ("--bounds" in words)
        return values

    plain = write_parts(tmp_path / "plain")
    pattern = write_parts(tmp_path / "parts", change)
    with pytest.raises(data.DataError, match=message):
        prepared(pattern, *words)


def test_a_run_is_written_and_resumes_to_the_same(no_pages, tmp_path):
    pattern = write_parts(tmp_path / "parts")
    words = ["fit", pattern, "--rows-in-memory", "500", "--epochs", "2", "--quiet"]
    words += ["--columns", "b,c", "--base", "gaussian", "--out"]
    assert main([*words, str(tmp_path / "whole")]) == 0
    assert run_killed_in(1, [*words, str(tmp_path / "cut")]) == -9
    assert main([*words, str(tmp_path / "cut"), "--resume"]) == 0
    metrics = [
        json.loads((tmp_path / name / "metrics.json").read_text())
        for name in ("whole", "cut")
    ]
    assert metrics[0]["rows"] == {"train": 1900, "validation": 50, "test": 50}
    assert metrics[0]["held_out"] == metrics[1]["held_out"]


@pytest.mark.parametrize("levels", [4, 200])
def test_rows_of_whole_numbers_repeat_by_nature(tmp_path, levels):
    """All but so many of them are trained on as are held out."""

    def counts(values):
        return np.random.default_rng(1).integers(0, levels, values.shape)

    pattern = write_parts(tmp_path / "parts", counts)
    task = prepared(pattern, "--integers", "dequantize", "--batch-size", "100")
    assert task.counts["train"] == 1900
    parts = data.load(pattern), task.validation, task.test
    whole, *held_out = (
        np.bincount(part.values[:, 0].astype(int), minlength=levels) for part in parts
    )
    for one in epochs(task, 2, size=3):
        found = np.bincount(one.ravel().astype(int), minlength=levels)
        np.testing.assert_array_equal(found, whole - sum(held_out))


def test_a_trial_of_starts_has_batches_of_the_rows_kept(no_pages, tmp_path):
    pattern = write_parts(tmp_path / "parts")
    words = ["fit", pattern, "--rows-in-memory", "500", "--batch-size", "600"]
    words += ["--epochs", "1", "--quiet", "--out", str(tmp_path / "run")]
    assert main(words) == 0
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["rows"]["train"] == 1900
    assert metrics["rows_in_memory"] == 500


def test_columns_that_count_rows_and_numbers_too_large_are_found(tmp_path):
    def counter(values):
        values[:, 1] = 0.1 * np.arange(len(values)) + 0.05
        return values

    with pytest.raises(data.DataError, match="'b'"):
        prepared(write_parts(tmp_path / "counter", counter))

    def large(values):
        kept = data.load(str(tmp_path / "counter/*.parquet"), rows_in_memory=500)
        values[np.setdiff1d(np.arange(2000), kept.row_numbers - 1)[-1], 2] = 1e39
        return values

    with pytest.raises(data.DataError, match=r"'c' reaches 1e\+39, beyond the range"):
        prepared(write_parts(tmp_path / "large", large))


def test_a_file_that_changed_has_another_fingerprint(tmp_path):
    before = data.load(write_parts(tmp_path / "one"), rows_in_memory=500)

    def changed(values):
        place = np.setdiff1d(np.arange(2000), before.row_numbers - 1)[0]
        values[place, 1] += 1
        return values

    after = data.load(write_parts(tmp_path / "two", changed), rows_in_memory=500)
    np.testing.assert_array_equal(before.values, after.values)
    assert before.fingerprint() != after.fingerprint()


def test_images_and_features_of_text(tmp_path):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, [600, 4, 4], "uint8")
    images[::3] = 0
    np.save(tmp_path / "images.npy", images)
    task = prepared(str(tmp_path / "images.npy"), "--batch-size", "54")
    found = next(task.streamed.batches(500, rng))
    assert 130 < (found == 0).all(axis=1).sum() <= 200
    names = rng.choice(["u", "v"], 2000)
    frame = pd.DataFrame({"y": rng.normal(size=2000), "kind": names})
    frame.to_csv(tmp_path / "table.csv", index=False)
    task = prepared(str(tmp_path / "table.csv"), "--target", "y")
    rows = next(task.streamed.batches(100, rng))
    assert set(rows[:, 1]) == {0.0, 1.0}


def test_sets_that_the_package_draws_stay_whole():
    assert data.load("moons", rows_in_memory=500).num_rows == 20_000


def test_a_file_that_vanishes_ends_the_run_in_one_line(
    no_pages, tmp_path, monkeypatch, refused
):
    pattern = write_parts(tmp_path / "parts")
    count = streamed.StreamedRows.checked_count

    def count_and_remove(rows, table):
        found = count(rows, table)
        (tmp_path / "parts" / "3.parquet").write_text("")
        return found

    monkeypatch.setattr(streamed.StreamedRows, "checked_count", count_and_remove)
    words = ["fit", pattern, "--rows-in-memory", "500", "--base", "gaussian"]
    words += ["--epochs", "2", "--quiet", "--out", str(tmp_path / "run")]
    assert "3.parquet" in refused(*words)
