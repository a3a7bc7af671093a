"""Exceedances against SciPy and against models known to be right or wrong."""

import numpy as np
import pytest
from scipy import stats

from tfp_flows.diagnostics import exceedances, tail_quantiles
from tfp_flows.diagnostics.plots import png
from tfp_flows.diagnostics.plots.tails import exceedance_plot, tail_quantile_plot


def heavy(rows, columns=2, seed=0):
    return np.random.default_rng(seed).standard_t(3, [rows, columns])


def test_a_right_model_is_within_the_band_and_a_light_one_is_not():
    right = exceedances(heavy(5000), heavy(200_000, seed=1), 0.001)
    normal = np.sqrt(3) * np.random.default_rng(2).normal(size=[200_000, 2])
    light = exceedances(heavy(5000), normal, 0.001)
    for counts in (right.lower, right.upper):
        assert np.all((counts >= right.band[0]) & (counts <= right.band[1]))
    assert 0.5 < right.ratio < 1.6
    assert np.all(light.lower > light.band[1])
    assert light.ratio > 3


def test_counts_and_band_are_the_definition():
    data = np.arange(100.0)[:, None]
    found = exceedances(data, np.linspace(10, 80, 10_001)[:, None], 0.01)
    assert (found.expected, found.lower[0], found.upper[0]) == (1.0, 11, 20)
    band = stats.binom(100, 0.01).ppf([0.025, 0.975])
    np.testing.assert_array_equal(found.band, band)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((heavy(10), heavy(100), 0.7), "between 0 and 0.5"),
        ((heavy(10), heavy(100), 0.01), "at least 2,000 samples"),
        ((heavy(10), heavy(100, columns=3), 0.4), "same columns"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        exceedances(*arguments)


def test_quantiles_reach_the_last_points_of_both_sides():
    x = heavy(1000)[:, 0]
    probabilities, observed, modeled = tail_quantiles(x, x)
    assert probabilities[0] == pytest.approx(1e-3)
    np.testing.assert_array_equal(observed, modeled)
    assert np.all(np.diff(observed) >= 0)


def test_picture_has_a_point_a_probability_for_each_model():
    x = heavy(500)[:, 0]
    axis = tail_quantile_plot(x, {"right": heavy(5000)[:, 0], "copy": x}, column="gain")
    lines = [line for line in axis.lines if len(line.get_xdata()) == 80]
    assert len(lines) == 2
    np.testing.assert_allclose(lines[1].get_xdata(), lines[1].get_ydata())
    assert "gain" in axis.get_xlabel()
    assert png(axis.figure).startswith(b"\x89PNG")


def test_picture_of_exceedances_is_that_of_their_ratios():
    x, samples = heavy(500), {"right": heavy(5000, seed=1), "light": heavy(5000) / 3}
    axis = exceedance_plot(x, samples)
    for line, rows in zip(axis.lines, samples.values(), strict=False):
        levels, ratios = line.get_data()
        assert (levels[0], levels[-1]) == (pytest.approx(0.004), pytest.approx(0.2))
        expected = [exceedances(x, rows, level).ratio for level in levels]
        np.testing.assert_array_equal(ratios, expected)
    assert [text.get_text() for text in axis.get_legend().texts] == list(samples)


def test_a_long_column_name_stays_on_the_picture():
    x = heavy(500)[:, 0]
    name = "cost in $ of a household that is W_{ide} and MANY others"
    axis = tail_quantile_plot(x, {"copy": x}, column=name)
    axis.figure.draw_without_rendering()
    box = axis.xaxis.label.get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= axis.figure.bbox.x1
