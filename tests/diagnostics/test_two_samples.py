"""Distances of samples, and of data to itself."""

import numpy as np
import pytest

from tfp_flows.diagnostics import (
    classifier_two_sample_test,
    column_distances,
    energy_distance,
)

RNG = np.random.default_rng(0)
DATA = RNG.normal(size=[1_000, 2])


@pytest.mark.parametrize(("beta", "expected"), [(1.0, 0.429821), (0.5, 0.153070)])
def test_the_energy_distance_is_its_closed_form(beta, expected):
    found = energy_distance(DATA, RNG.normal(size=[2_000, 2]) + [1, 0], beta=beta)
    assert abs(found.statistic - expected) < 4 * 0.02
    assert abs(found.null) < found.error


def test_equal_samples_are_at_the_null_and_copies_too():
    for test in (energy_distance, classifier_two_sample_test):
        found = test(DATA, RNG.normal(size=[1_000, 2]))
        assert abs(found.statistic - found.null) < 3 * found.error
        grid = test(np.rint(DATA), np.rint(RNG.normal(size=[1_000, 2])))
        assert abs(grid.statistic - grid.null) < 3 * grid.error


def test_the_classifier_tells_what_lies_apart():
    assert classifier_two_sample_test(DATA, DATA + 20).statistic == 1.0
    near = classifier_two_sample_test(DATA, 1.5 * RNG.normal(size=[1_000, 2]))
    assert 0.52 < near.statistic < 0.65


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(ValueError, match="below 2, received 2"):
        energy_distance(DATA, DATA, beta=2)
    with pytest.raises(ValueError, match=r"received \(1000, 2\) and \(100, 2\)"):
        energy_distance(DATA, DATA[:100])


def test_a_shift_is_its_distance_in_standard_deviations():
    y = np.random.default_rng(0).normal(size=(200, 2)) * [1.0, 5.0]
    shift = np.array([0.7, -3.0])
    found = column_distances(y, np.roll(y, 3, axis=0) + shift)
    np.testing.assert_allclose(found, np.abs(shift) / y.std(axis=0))
