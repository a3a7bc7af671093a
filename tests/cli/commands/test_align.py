"""`tfp-flows align` and `translate`: a run from tables to translated rows."""

import contextlib
import json

import numpy as np
import pytest

from tfp_flows.cli import main

WORDS = ["--epochs", "2", "--patience", "1"]


@contextlib.contextmanager
def small_models():
    from tfp_flows.models import AlignFlow

    whole = AlignFlow.for_tables.__func__

    def small(cls, *arguments, **options):
        sizes = {"hidden_sizes": (4,), "own_hidden_sizes": (4,)}
        options |= {"num_layers": 1, "own_layers": 1, **sizes}
        return whole(cls, *arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AlignFlow, "for_tables", classmethod(small))
        yield


@pytest.fixture(scope="module")
def aligned(tmp_path_factory):
    """The folder of a run on two tables whose columns stand in another order."""
    folder = tmp_path_factory.mktemp("aligned")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 2)) @ [[1.0, 0.5], [0.0, 1.0]]
    y = 3 * rng.normal(size=(300, 2)) + [10.0, -5.0]
    write(folder / "left.csv", "u,v", x)
    write(folder / "right.csv", "v,u", y[:, ::-1])
    with small_models():
        assert main(align(folder, "run")) == 0
    return folder


def align(folder, out):
    words = [folder / "left.csv", folder / "right.csv", "--out", folder / out]
    return ["align", *map(str, words), *WORDS]


def write(path, header, rows):
    np.savetxt(path, rows, fmt="%.17g", delimiter=",", header=header, comments="")


def test_a_run_reports_distances_before_and_after(aligned):
    run = aligned / "run"
    metrics = json.loads((run / "metrics.json").read_text())
    (there, back) = metrics["directions"]
    assert (there["source"], back["source"]) == ("left", "right")
    for one in (there, back):
        before, after, null = one["energy"]
        assert after < 0.2 * before
        assert abs(null) < 0.2
        assert one["accuracy"][0] > 0.9
        assert np.shape(one["columns"]) == (3, 2)
    page = (run / "report.html").read_text()
    assert "left → right" in page
    assert page.count("<img") == 2
    assert not list(run.glob("epoch-*"))
    assert (run / "saved_model").is_dir()


def test_translated_rows_carry_their_densities_and_come_back(aligned):
    run, there, back = (str(aligned / name) for name in ("run", "t.csv", "b.csv"))
    write(aligned / "new.csv", "v,u", [[0.1, 0.2], [0.0, -0.3], [900.0, 900.0]])
    new = str(aligned / "new.csv")
    words = ["--from", "left", "--to", "right", "--out", there]
    assert main(["translate", run, new, *words]) == 0
    table = np.genfromtxt(there, delimiter=",", names=True)
    assert table.dtype.names == (
        *("u", "v", "log_density_left", "log_density_right"),
        *("p_value_left", "p_value_right", "extrapolated"),
    )
    np.testing.assert_array_equal(table["extrapolated"], [0, 0, 1])
    words = ["--from", "right", "--to", "left", "--out", back]
    assert main(["translate", run, there, *words]) == 0
    returned = np.genfromtxt(back, delimiter=",", names=True)
    np.testing.assert_allclose(returned["u"][:2], [0.2, -0.3], atol=1e-4)
    np.testing.assert_allclose(
        returned["log_density_left"][:2], table["log_density_left"][:2], atol=1e-4
    )


def test_what_does_not_fit_is_said(aligned, refused, tmp_path):
    left, run = aligned / "left.csv", aligned / "run"
    out = ["--out", tmp_path / "new"]
    assert "two tables or more" in refused("align", left, *out)
    assert "two are called 'left'" in refused("align", left, left, *out)
    write(tmp_path / "other.csv", "u,w", np.random.default_rng(0).normal(size=(50, 2)))
    message = refused("align", left, tmp_path / "other.csv", *out)
    assert "only one has v, w" in message
    words = ["--from", "left", "--to", "up", "--out", "-"]
    assert "no domain 'up': give one of left, right" in refused(
        "translate", run, left, *words
    )
    words = ["--from", "left", "--to", "left", "--out", "-"]
    assert "both 'left': give two domains" in refused("translate", run, left, *words)
    message = refused("score", run, left, "--out", "-")
    assert "which is for tfp-flows translate" in message
    assert not (tmp_path / "new.partial").exists()


@pytest.mark.slow
def test_an_interrupted_run_goes_on_to_the_same_result(aligned):
    from tfp_flows.cli.training.checkpoint import Checkpoint

    def interrupt(checkpoint, epoch, logs=None):
        checkpoint._started = 0.0
        if epoch == 1:
            raise KeyboardInterrupt

    with small_models():
        with pytest.MonkeyPatch.context() as killing:
            killing.setattr(Checkpoint, "on_epoch_begin", interrupt)
            assert main(align(aligned, "again")) == 130
        assert main([*align(aligned, "again"), "--resume"]) == 0
    for name in ("history.csv", "metrics.json"):
        assert (aligned / "again" / name).read_text() == (
            aligned / "run" / name
        ).read_text()


@pytest.mark.slow
def test_rows_keep_their_context_and_count_by_weight(tmp_path):
    rng = np.random.default_rng(0)
    for name, scale in (("left", 1.0), ("right", 3.0)):
        treated = rng.integers(2, size=600)
        x = scale * (rng.normal(size=(600, 2)) + 6 * treated[:, None])
        table = np.c_[x, treated, 1 + 3 * treated, x[:, 0] > 3 * scale]
        write(tmp_path / f"{name}.csv", "u,v,t,w,class", table)
    words = ["--context", "t", "--weights", "w", "--transport-weight", "0.1"]
    words += ["--labels", "class"]
    with small_models():
        assert main([*align(tmp_path, "run"), *words]) == 0
    page = (tmp_path / "run" / "report.html").read_text()
    assert "Classes, left → right" in page
    there, _ = json.loads((tmp_path / "run" / "metrics.json").read_text())["directions"]
    assert there["classes"]["labels"] == [0, 1]
    assert min(there["classes"]["kept"]) > 0.8
    assert not there["classes"]["differ"]
    run, left, out = (str(tmp_path / name) for name in ("run", "left.csv", "t.csv"))
    words = ["--from", "left", "--to", "right", "--out", out]
    assert main(["translate", run, left, *words]) == 0
    table = np.genfromtxt(out, delimiter=",", names=True)
    given = np.genfromtxt(left, delimiter=",", names=True)
    np.testing.assert_array_equal(table["t"], given["t"])
    gap = table["u"][given["t"] == 1].mean() - table["u"][given["t"] == 0].mean()
    assert gap > 12
    assert "w" not in table.dtype.names
