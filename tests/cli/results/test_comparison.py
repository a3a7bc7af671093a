"""The line that names what made a mean minus infinity."""

import numpy as np

from tfp_flows.cli.results.comparison import extreme_row
from tfp_flows.data import Table


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
