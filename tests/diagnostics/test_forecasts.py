"""Scores of draws against definitions and closed forms."""

import numpy as np
import pytest
from scipy.stats import norm

from tfp_flows.diagnostics import crps, interval_coverage, variogram_score
from tfp_flows.objectives import EnergyScore

RNG = np.random.default_rng(0)


def test_crps_is_the_energy_score_of_each_column():
    x, draws = RNG.normal(size=[7, 3]), RNG.normal(size=[9, 7, 3])
    for column in range(3):
        one = slice(column, column + 1)
        expected = EnergyScore().score(x[:, one], draws[..., one])
        np.testing.assert_allclose(crps(x, draws)[:, column], expected, atol=1e-12)


def test_crps_of_a_normal_is_its_closed_form():
    z = 1.5
    closed = z * (2 * norm.cdf(z) - 1) + 2 * norm.pdf(z) - 1 / np.sqrt(np.pi)
    assert closed == pytest.approx(0.994424, abs=1e-6)
    scores = crps(np.full([20_000, 1], z), RNG.normal(size=[5, 20_000, 1]))
    assert abs(scores.mean() - closed) < 4 * scores.std() / np.sqrt(20_000)


def test_the_variogram_score_sees_dependence_that_columns_hide():
    x = RNG.multivariate_normal([0, 0], [[1, 0.9], [0.9, 1]], size=2_000)
    right = RNG.multivariate_normal([0, 0], [[1, 0.9], [0.9, 1]], size=[50, 2_000])
    wrong = RNG.normal(size=[50, 2_000, 2])
    assert variogram_score(x, right).mean() < 0.7 * variogram_score(x, wrong).mean()
    one = variogram_score(np.array([[0.0, 4.0]]), np.array([[[0.0, 1.0]]] * 2))
    np.testing.assert_allclose(one, [(2.0 - 1.0) ** 2])


def test_scores_are_those_of_the_package_scoringrules():
    peer = pytest.importorskip("scoringrules")
    x, draws = RNG.normal(size=[7, 3]), RNG.normal(size=[9, 7, 3])
    # Its draws stand on the last axis but that of columns.
    theirs = np.moveaxis(draws, 0, 1)
    np.testing.assert_allclose(
        EnergyScore().score(x, draws),
        peer.es_ensemble(x, theirs, estimator="fair"),
        rtol=1e-6,
    )
    np.testing.assert_allclose(
        crps(x, draws),
        peer.crps_ensemble(x, np.moveaxis(draws, 0, -1), estimator="fair"),
        rtol=1e-6,
        atol=1e-12,
    )
    # It sums over both orders of a pair of columns.
    np.testing.assert_allclose(
        2 * variogram_score(x, draws), peer.vs_ensemble(x, theirs, p=0.5), rtol=1e-6
    )


@pytest.mark.parametrize("level", [0.5, 0.9])
def test_intervals_of_a_right_model_hold_their_level(level):
    found = interval_coverage(
        RNG.normal(size=[4_000, 2]), RNG.normal(size=[39, 4_000, 2]), level
    )
    assert np.all(np.abs(found.share - level) < 4 * found.error)
    np.testing.assert_allclose(found.width, 2 * norm.ppf((1 + level) / 2), rtol=0.1)


def test_shapes_and_levels_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"received \(3, 2\) and \(1, 3, 2\)"):
        crps(np.zeros([3, 2]), np.zeros([1, 3, 2]))
    with pytest.raises(ValueError, match="between 0 and 1, received 90"):
        interval_coverage(np.zeros([3, 2]), np.zeros([2, 3, 2]), 90)
