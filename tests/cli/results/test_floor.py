"""The floor that `fit` prints: against regression, and where there is none."""

import json

import numpy as np
import pytest
from scipy import stats

from tfp_flows import data
from tfp_flows.cli.results.comparison import joined_rows
from tfp_flows.cli.results.floor import linear_floor


def parts(tables, **options):
    table = data.read_table(
        tables.csv(rows=400, **options.pop("columns", {})), **options
    )
    return table.take(np.arange(300)), table.take(np.arange(300, 400))


def floor_of(train, test, step):
    train_rows, test_rows = joined_rows(train, step), joined_rows(test, step)
    floor = linear_floor(train_rows, test_rows[::2], test_rows, train.schema, step)
    if floor.refusal is None:
        halves = test_rows[::2], test_rows[1::2]
        other = linear_floor(train_rows, *halves[::-1], train.schema, step)
        assert floor.validation == pytest.approx(other.held_out)
    return floor


def test_floor_of_a_table_is_its_gaussian(tables):
    train, test = parts(tables)
    floor = floor_of(train, test, np.zeros(3))
    covariance = np.cov(train.values, rowvar=False, bias=True)
    normal = stats.multivariate_normal(train.values.mean(0), covariance)
    assert floor.fitted == pytest.approx(normal.logpdf(train.values).mean(), abs=1e-9)
    assert floor.held_out == pytest.approx(normal.logpdf(test.values).mean(), abs=1e-9)
    assert f"{floor.held_out:.3f}" in floor.line()
    assert "bits/dim" not in floor.line()


def test_floor_given_context_is_a_linear_regression(tables):
    train, test = parts(tables, context=["a"])
    floor = floor_of(train, test, np.zeros(2))
    design = np.c_[train.context, np.ones(300)]
    weights, *_ = np.linalg.lstsq(design, train.values, rcond=None)
    residual = train.values - design @ weights
    normal = stats.multivariate_normal(np.zeros(2), residual.T @ residual / 300)
    assert floor.fitted == pytest.approx(normal.logpdf(residual).mean(), abs=1e-9)
    residual = test.values - np.c_[test.context, np.ones(100)] @ weights
    assert floor.held_out == pytest.approx(normal.logpdf(residual).mean(), abs=1e-9)


def test_copied_columns_have_no_floor_and_say_why(tables):
    copied = np.random.default_rng(0).normal(size=400)
    train, test = parts(tables, columns={"a": copied, "c": copied})
    floor = floor_of(train, test, np.zeros(3))
    assert floor.held_out is None
    assert "no floor of linear flows: Features 0, 2" in floor.line()


def test_images_have_a_floor_in_bits(tables):
    table = data.load("digits")
    train, test = table.take(np.arange(900)), table.take(np.arange(900, 1200))
    floor = floor_of(train, test, np.ones(64))
    assert "bits/dim)" in floor.line()
    assert floor.fitted > floor.held_out


def test_run_keeps_its_floor(fitted):
    folder, table = fitted
    metrics = json.loads((folder / "metrics.json").read_text())
    rows = data.read_table(table, context=["c"])
    split = data.split_rows(rows.num_rows)
    expected = floor_of(rows.take(split.train), rows.take(split.test), np.zeros(2))
    assert metrics["linear_floor"]["held_out"] == pytest.approx(expected.held_out)
