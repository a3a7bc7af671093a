"""`fit` on real tables: what it leaves, and that interruptions change nothing."""

import contextlib
import csv
import io
import json
import shutil
import signal

import numpy as np
import pytest

from tests.cli.conftest import Tables, run_killed_in
from tfp_flows import data
from tfp_flows.cli import main
from tfp_flows.cli.errors import RunError
from tfp_flows.cli.training.progress import Progress

QUICK = ["--flow", "coupling-affine", "--epochs", "4", "--batch-size", "60", "--quiet"]


def results(folder):
    metrics = json.loads((folder / "metrics.json").read_text())
    return metrics, (folder / "history.csv").read_text()


def test_run_leaves_what_it_promises(fitted):
    folder, _ = fitted
    names = {path.name for path in folder.iterdir()}
    promised = {"model.keras", "saved_model", "metrics.json", "history.csv"}
    assert promised | {"report.html", "run.json"} <= names
    assert not {name for name in names if "epoch" in name or "state" in name}
    assert not folder.with_name("run.partial").exists()
    metrics, history = results(folder)
    records = list(csv.DictReader(history.splitlines()))
    assert [(record["epoch"], bool(record["loss"])) for record in records] == [
        ("0", False),
        ("1", True),
        ("2", True),
    ]
    assert metrics["rows"] == {"train": 240, "validation": 30, "test": 30}
    names = [result["name"] for result in metrics["held_out"]]
    assert names[:2] == ["coupling-affine flow", "Gaussian"]
    assert names[2].startswith("mixture of")
    assert all(np.isfinite(result["nats"]) for result in metrics["held_out"])


def test_model_file_is_the_best_epoch(fitted):
    folder, table = fitted
    import keras

    import tfp_flows.models  # noqa: F401

    model = keras.models.load_model(folder / "model.keras")
    rows = data.read_table(table, context=["c"])
    split = data.split_rows(rows.num_rows)
    validation = rows.take(split.validation)
    log_density = model.log_prob(validation.values, validation.context)
    metrics, _ = results(folder)
    assert np.mean(log_density) == pytest.approx(metrics["validation_nats"], abs=1e-4)

    import tensorflow as tf

    served = tf.saved_model.load(str(folder / "saved_model"))
    rows = (validation.values.astype("f"), validation.context.astype("f"))
    np.testing.assert_allclose(served.log_prob(*rows), log_density, atol=1e-5)


@pytest.fixture(scope="module")
def uninterrupted(no_pages, tmp_path_factory):
    """The words of a run, and what it leaves when it is not interrupted."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    # Dequantization draws noise in every step: its state must be resumed too.
    table = Tables(folder).csv(b=np.random.default_rng(1).poisson(5.0, 300))
    words = ["fit", str(table), "--out", str(folder / "run"), *QUICK]
    words += ["--integers", "dequantize"]
    assert main(words) == 0
    return words, results(folder / "run")


def test_interrupted_run_resumes_to_the_same_result(
    uninterrupted, tables, tmp_path, monkeypatch, refused
):
    from tests.cli.interruption import stop_in

    def interrupt():
        raise KeyboardInterrupt

    words, expected = uninterrupted
    words = [*words, "--out", str(tmp_path / "parts")]
    partial = tmp_path / "parts.partial"
    stop_in(2, interrupt, monkeypatch.setattr)
    message = refused(*words, code=130)
    assert f"kept in {partial}" in message
    assert "--resume" in message
    assert Progress.read(partial).last == "epoch-0002.keras"
    monkeypatch.undo()

    assert "--resume to go on" in refused(*words)
    assert "--seed was 0 and is now 1" in refused(*words, "--resume", "--seed", "1")
    changed = ["fit", str(tables.csv(seed=1)), *words[2:], "--resume"]
    assert "have changed" in refused(*changed)

    assert main([*words, "--resume"]) == 0
    assert results(tmp_path / "parts") == expected
    assert not partial.exists()


@pytest.mark.slow
def test_killed_after_training_resumes_with_the_report(
    uninterrupted, tmp_path, monkeypatch
):
    words, expected = uninterrupted
    words = [*words, "--out", str(tmp_path / "parts")]
    monkeypatch.setattr("tfp_flows.cli.results.outcome._export", lambda *a: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main(words)
    monkeypatch.undo()
    assert main([*words, "--resume"]) == 0
    assert results(tmp_path / "parts") == expected


def test_killed_process_resumes_to_the_same_result(uninterrupted, tmp_path):
    words, expected = uninterrupted
    words = [*words, "--out", str(tmp_path / "run")]
    assert run_killed_in(2, words) == -signal.SIGKILL
    assert Progress.read(tmp_path / "run.partial").epoch == 2
    assert run_killed_in("never", [*words, "--resume"]) == 0
    assert results(tmp_path / "run") == expected


@pytest.fixture(scope="module")
def diverged(no_pages, tmp_path_factory):
    """The words of a run whose loss was no number, its folder, and what it said."""
    folder = tmp_path_factory.mktemp("diverged")
    words = ["fit", str(Tables(folder).csv()), *QUICK, "--learning-rate", "1e30"]
    with contextlib.redirect_stderr(io.StringIO()) as said:
        assert main([*words, "--out", str(folder / "run")]) == 2
    return words, folder / "run", said.getvalue()


def test_divergence_keeps_the_last_good_weights(diverged):
    _, folder, message = diverged
    assert message.startswith("tfp-flows")
    assert message.count("\n") == 1
    assert "is not a number in epoch 1" in message
    assert "smaller --learning-rate" in message
    kept = folder.with_name("run.partial") / "epoch-0000.keras"
    assert str(kept) in message
    import keras

    import tfp_flows.models  # noqa: F401

    model = keras.models.load_model(kept)
    assert np.isfinite(model.log_prob(np.zeros([1, 3]))).all()
    assert not folder.exists()


def test_damaged_checkpoint_is_named(diverged, tmp_path, refused):
    words, folder, _ = diverged
    partial = tmp_path / "run.partial"
    shutil.copytree(folder.with_name(partial.name), partial)
    words = [*words, "--out", tmp_path / "run", "--resume"]
    state, last = partial / "state.json", partial / "epoch-0000.keras"
    last.write_bytes(last.read_bytes()[:1000])
    assert f"{last}: this file of a run is damaged" in refused(*words)
    last.unlink()
    assert f"{last}: this file of a run is missing" in refused(*words)
    state.write_text(state.read_text()[:40])
    message = refused(*words)
    assert f"{state}: this file of a run is damaged" in message
    assert "--overwrite" in message


@pytest.mark.slow
def test_killed_while_cleaning_up_leaves_a_complete_run(
    no_pages, tables, tmp_path, monkeypatch
):
    words = ["fit", tables.csv(), "--out", tmp_path / "run", *QUICK, "--epochs", "1"]
    monkeypatch.setattr(Progress, "remove", lambda *a: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main([str(word) for word in words])
    assert (tmp_path / "run" / "metrics.json").exists()
    assert not (tmp_path / "run.partial").exists()


def stop_before_the_first_checkpoint(monkeypatch, error):
    def stop(*arguments, **options):
        raise error

    monkeypatch.setattr("tfp_flows.cli.training.single.Starts", stop)


def test_failure_before_the_first_checkpoint_leaves_nothing(
    no_pages, tables, tmp_path, monkeypatch, refused
):
    stop_before_the_first_checkpoint(monkeypatch, RunError("no"))
    words = ["fit", tables.csv(), "--out", tmp_path / "run", *QUICK]
    assert "--resume" not in refused(*words)
    assert [path.name for path in tmp_path.iterdir()] == ["table.csv"]


@pytest.mark.slow
def test_interruption_before_the_first_checkpoint_resumes_to_the_same_result(
    uninterrupted, tmp_path, monkeypatch, refused
):
    words, expected = uninterrupted
    words = [*words, "--out", str(tmp_path / "run")]
    stop_before_the_first_checkpoint(monkeypatch, KeyboardInterrupt())
    message = refused(*words, code=130)
    assert "before the first checkpoint: repeat the command with --resume" in message
    monkeypatch.undo()
    assert main([*words, "--resume"]) == 0
    assert results(tmp_path / "run") == expected


def test_extreme_held_out_row_is_named(no_pages, tables, tmp_path, capsys):
    row = data.split_rows(300).test[3]
    table = tables.csv(b=np.where(np.arange(300) == row, 1e25, -0.5))
    rows = np.loadtxt(table, delimiter=",", skiprows=1)
    rows[np.arange(300) != row, 1] = rows[np.arange(300) != row, 0] ** 3
    np.save(tmp_path / "t.npy", rows)
    words = ["fit", tmp_path / "t.npy", "--out", tmp_path / "run", *QUICK]
    assert main([str(word) for word in words]) == 0
    line = f"row {row + 1}, column 'x1': 1e+25 has log-density -inf under coupling"
    assert line in capsys.readouterr().out
    assert main(["evaluate", str(tmp_path / "run"), str(tmp_path / "t.npy")]) == 0
    line = f"row {row + 1}, column 'x1': 1e+25 has log-density -inf under flow"
    assert line in capsys.readouterr().out

    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    written = (tmp_path / "run" / "metrics.json").read_text()
    metrics = json.loads(written, parse_constant=refuse)
    assert metrics["held_out"][0]["nats"] == "-inf"
    assert metrics["held_out"][0]["standard_error"] == "nan"


def test_early_stopping_keeps_the_best_epoch(no_pages, tables, tmp_path):
    words = ["fit", str(tables.csv()), "--out", str(tmp_path / "run"), *QUICK]
    steep = ["--learning-rate", "0.3", "--patience", "2", "--epochs", "60"]
    assert main([*words, *steep]) == 0
    metrics, history = results(tmp_path / "run")
    losses = [float(row["val_loss"]) for row in csv.DictReader(history.splitlines())]
    start, *trained = losses
    assert len(trained) == metrics["epochs"] < 60
    # Patience counts from the best trained epoch, the start is a candidate too.
    assert np.argmin(trained) == len(trained) - 3
    assert metrics["validation_nats"] == -min(losses)
    assert metrics["best_epoch"] == np.argmin(losses)


def test_a_fit_never_ends_below_its_start(no_pages, tables, tmp_path):
    # Normal rows: the start is at the optimum, and large steps only lead away.
    words = ["fit", str(tables.csv()), "--out", str(tmp_path / "run"), *QUICK]
    assert main([*words, "--learning-rate", "0.5", "--epochs", "2"]) == 0
    metrics, history = results(tmp_path / "run")
    records = list(csv.DictReader(history.splitlines()))
    start, *trained = (float(record["val_loss"]) for record in records)
    assert start < min(trained)
    assert metrics["best_epoch"] == 0
    assert metrics["validation_nats"] == -start


def test_integer_columns_are_dequantized(no_pages, tables, tmp_path):
    counts = np.random.default_rng(1).poisson(5.0, 300)
    table = str(tables.csv(b=counts))
    words = ["fit", table, "--out", str(tmp_path / "run"), *QUICK, "--context", "c"]
    assert main([*words, "--integers", "dequantize"]) == 0
    drawn = tmp_path / "drawn.csv"
    words = f"sample {tmp_path}/run -n 50 --out {drawn}".split()
    assert main(words) == 0
    rows = np.loadtxt(drawn, delimiter=",", skiprows=1)
    np.testing.assert_array_equal(rows[:, 1], np.rint(rows[:, 1]))
    assert (rows[:, 0] != np.rint(rows[:, 0])).all()
