"""`fit --base`: what it decides, says and saves."""

import json

import numpy as np
import pytest

from tfp_flows.cli import main
from tfp_flows.distributions import CopulaDistribution, GaussianMixture

QUICK = ["--flow", "coupling-affine", "--epochs", "1", "--batch-size", "120", "--quiet"]


def heavy_columns(rows=400):
    rng = np.random.default_rng(0)
    return {"a": rng.standard_t(1.5, rows), "rows": rows}


def fitted_model(table, tmp_path, base, *words):
    import keras

    import tfp_flows.models  # noqa: F401

    out = tmp_path / f"run-{base}"
    command = ["fit", str(table), "--out", str(out), "--base", base, *QUICK, *words]
    assert main(command) == 0
    assert json.loads((out / "metrics.json").read_text())["flow"] == "coupling-affine"
    return keras.models.load_model(out / "model.keras")


@pytest.mark.usefixtures("no_pages")
@pytest.mark.parametrize(
    "base", ["auto", pytest.param("copula", marks=pytest.mark.slow)]
)
def test_base_decides_by_the_tails_and_says_so(base, tables, tmp_path, capsys):
    # Without correlation whitening leaves each column by itself.
    quiet = np.random.default_rng(1).normal(size=400)
    table = tables.csv(b=quiet, **heavy_columns())
    model = fitted_model(table, tmp_path, base)
    said = capsys.readouterr().out
    assert "base       normal: b, c; student-t: a (ν = 1." in said
    assert isinstance(model.distribution.distribution, CopulaDistribution)
    assert np.isfinite(model.log_prob(np.array([[1e6, 0.0, 0.0]]))).all()


@pytest.mark.usefixtures("no_pages")
def test_auto_keeps_the_mixture_where_no_tail_is_heavy(tables, tmp_path, capsys):
    model = fitted_model(tables.csv(), tmp_path, "auto")
    assert "base       mixture: no column has heavy tails" in capsys.readouterr().out
    assert isinstance(model.distribution.distribution, GaussianMixture)


@pytest.mark.usefixtures("no_pages")
@pytest.mark.parametrize("base", ["gaussian", "student-t"])
def test_one_column_and_a_context_have_every_base(base, tables, tmp_path):
    table = tables.csv(**heavy_columns())
    words = ["--columns", "a", "--context", "c"]
    model = fitted_model(table, tmp_path, base, *words)
    assert model.distribution.event_shape == [1]


@pytest.mark.usefixtures("no_pages")
def test_without_a_base_the_start_is_chosen_on_validation_rows(
    tables, tmp_path, capsys
):
    quiet = np.random.default_rng(1).normal(size=400)
    table = tables.csv(b=quiet, **heavy_columns())
    out = tmp_path / "run"
    assert main(["fit", str(table), "--out", str(out), *QUICK]) == 0
    assert "base       copula on" in capsys.readouterr().out
    start = json.loads((out / "metrics.json").read_text())["start"]
    best = max(start["scores"], key=start["scores"].get)
    assert start["base"] == "copula"
    assert best.startswith("copula")
    assert ("(whitened)" in best) == start["whiten"]


@pytest.mark.usefixtures("no_pages")
@pytest.mark.parametrize(("gain", "base"), [(1.0, "gaussian"), (-99.0, "mixture")])
def test_short_trainings_choose_coordinates_and_beat_the_mixture_or_not(
    gain, base, tables, tmp_path, monkeypatch
):
    from tfp_flows.bijectors import Standardize, Whiten
    from tfp_flows.cli.training import choice

    # Standardized rows train better here, by 5 nats.
    monkeypatch.setattr(choice, "_has_time_for_trials", lambda task: True)
    monkeypatch.setattr(choice, "_trial", lambda task, whiten: gain - 5 * whiten)
    out = tmp_path / "run"
    assert main(["fit", str(tables.csv()), "--out", str(out), *QUICK]) == 0
    start = json.loads((out / "metrics.json").read_text())["start"]
    assert (start["base"], start["whiten"]) == (base, False)
    import keras

    model = keras.models.load_model(out / "model.keras")
    kinds = {type(part) for part in model.distribution.submodules}
    assert Standardize in kinds
    assert Whiten not in kinds


def sensors(rows=12_000, columns=8):
    """Three factors seen by sensors; 2 is held at a cap, 5 at a floor, 0 is coarse."""
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(rows, 3))
    x = 2 * np.tanh(factors @ rng.normal(size=(3, columns)) / 1.5)
    x += 0.15 * rng.normal(size=(rows, columns)) + 0.3 * factors[:, :1] ** 2
    for column, share, end in ((2, 0.65, np.minimum), (5, 0.2, np.maximum)):
        noise = 0.01 * x[:, column].std() * rng.normal(size=rows)
        x[:, column] = end(x[:, column], np.quantile(x[:, column], share)) + noise
    x[:, 0] = np.round(x[:, 0], 1) + 0.02 * rng.normal(size=rows)
    return x


@pytest.mark.slow
@pytest.mark.usefixtures("no_pages")
def test_columns_that_pile_up_at_a_cap_are_not_whitened(tmp_path):
    """A spike of one column is a thin slanted layer of whitened ones: 0.3 nats."""
    np.save(tmp_path / "sensors.npy", sensors())
    words = ["--flow", "autoregressive-spline", "--epochs", "40", "--quiet"]
    out = str(tmp_path / "run")
    assert main(["fit", str(tmp_path / "sensors.npy"), "--out", out, *words]) == 0
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert not metrics["start"]["whiten"]
    nats = [result["nats"] for result in metrics["held_out"]]
    assert nats[0] > max(nats[1:]) + 0.1


@pytest.mark.usefixtures("no_pages")
def test_the_start_is_the_mixture_that_the_run_is_compared_with(tables, tmp_path):
    modes = np.random.default_rng(2).choice([-4.0, 4.0], size=400)
    table = tables.csv(rows=400, c=modes + np.random.default_rng(3).normal(size=400))
    for whiten in ("yes", "no"):
        out = tmp_path / whiten
        words = ["fit", str(table), "--out", str(out), "--whiten", whiten, *QUICK]
        assert main(words) == 0
        history = (out / "history.csv").read_text().splitlines()
        start = -float(history[1].split(",")[2])
        metrics = json.loads((out / "metrics.json").read_text())
        assert metrics["start"]["base"] == "mixture"
        with np.load(out / "yardsticks.npz") as arrays:
            assert len(arrays["mixture.weights"]) > 1
        assert start == pytest.approx(metrics["start"]["scores"]["mixture"], abs=1e-3)


def test_images_have_one_base(refused, tmp_path):
    words = ["fit", "digits", "--out", tmp_path / "run", "--base", "auto"]
    assert "images have --base gaussian" in refused(*words)
