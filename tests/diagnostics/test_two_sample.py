"""Distances of two tables against what is known of them."""

import numpy as np

from tfp_flows.diagnostics.two_sample import classifier_accuracy, column_distances


def test_a_shift_is_its_distance_in_standard_deviations():
    y = np.random.default_rng(0).normal(size=(200, 2)) * [1.0, 5.0]
    shift = np.array([0.7, -3.0])
    found = column_distances(np.roll(y, 3, axis=0) + shift, y)
    np.testing.assert_allclose(found, np.abs(shift) / y.std(axis=0))


def test_rows_are_told_apart_where_they_differ_and_only_there():
    rng = np.random.default_rng(0)
    x, y, other = rng.normal(size=(3, 800, 3)) * [1.0, 100.0, 0.01]
    assert abs(classifier_accuracy(x, y) - 0.5) < 0.05
    other[:, 2] += 0.05
    assert classifier_accuracy(other, y) > 0.95
    assert 0 <= classifier_accuracy(x[:2], y[:2]) <= 1
