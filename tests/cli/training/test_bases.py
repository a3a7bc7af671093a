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
@pytest.mark.parametrize("base", ["auto", "copula"])
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


def test_images_have_one_base(refused, tmp_path):
    words = ["fit", "digits", "--out", tmp_path / "run", "--base", "auto"]
    assert "images have --base gaussian" in refused(*words)
