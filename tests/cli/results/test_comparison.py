"""Likelihoods beside each other are of one kind; a row that has none is named."""

import numpy as np
import pytest
from tensorflow_probability import distributions as tfd

from tfp_flows.cli.results.comparison import Yardsticks, extreme_row, joined_rows
from tfp_flows.cli.results.floor import linear_floor
from tfp_flows.data import Table
from tfp_flows.distributions import Dequantized


def test_yardsticks_and_floor_of_a_grid_are_log_probabilities_of_cells():
    """As the flow's. As densities they would be larger by Σ log 1/Δ, here 6 nats."""
    rng = np.random.default_rng(0)
    step = np.array([0.01, 0.0, 0.25])
    values = rng.normal(size=[600, 3]) * [2.0, 1.0, 3.0]
    gridded = step > 0
    values[:, gridded] = np.floor(values[:, gridded] / step[gridded]) * step[gridded]
    table = Table("t", values, ("a", "b", "c"))
    rows = joined_rows(table, step)
    yardsticks = Yardsticks.fit(rows[:500], rows[500:], table.schema, step, seed=0)
    gaussian = yardsticks.log_densities(rows)["Gaussian"].mean()
    floor = linear_floor(rows[:500], rows[500:], rows, table.schema, step)
    normal = tfd.MultivariateNormalTriL(
        rows[:500].mean(0), np.linalg.cholesky(np.cov(rows[:500].T, bias=True))
    )
    flow = Dequantized(normal, step, num_samples=16)
    expected = flow.log_prob(values).numpy().mean()
    assert gaussian == pytest.approx(expected, abs=0.01)
    assert floor.held_out == pytest.approx(expected, abs=0.01)
    again = Yardsticks.from_arrays(yardsticks.to_arrays())
    assert again.log_densities(rows)["Gaussian"].mean() == gaussian


def test_extreme_row_is_named_by_its_place_in_the_source():
    values = np.random.default_rng(0).normal(size=[50, 3]) * [1e6, 1.0, 0.0]
    values[20, 1] = 1e20
    table = Table("t", values, ("a", "b", "c"))
    scores = np.where(values[:, 1] > 1e9, -np.inf, 1.0)
    named = {"flow": scores, "Gaussian": np.zeros(50)}
    line = extreme_row(table, named)
    assert line.startswith("row 21, column 'b': 1e+20 has log-density -inf under flow,")
    part = table.take(np.arange(10, 40))
    assert extreme_row(part, {"flow": scores[10:40]}).startswith("row 21, column 'b'")
    assert extreme_row(table, {"flow": np.zeros(50)}) is None
    values[20] = 0.0, 0.0, 1e-3
    assert "row 21, column 'c': 0.001" in extreme_row(table, named)
