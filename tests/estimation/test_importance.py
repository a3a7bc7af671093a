"""Weights of densities whose answers are known."""

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp

from tfp_flows.estimation.importance import WeightedDraws
from tfp_flows.estimation.pareto import largest_trustworthy_shape, pareto_shape
from tfp_flows.models import FlowModel, log_weights, reweight

tfd = tfp.distributions


def _normal_weights(scale, count, seed=0):
    """Draws of N(0, scale²) for a standard normal whose log Z is 1.5."""
    x = np.random.default_rng(seed).normal(scale=scale, size=count)
    log_q = scipy.stats.norm.logpdf(x, scale=scale)
    return WeightedDraws(x, 1.5 + scipy.stats.norm.logpdf(x) - log_q)


@pytest.mark.parametrize("shape", [0.2, 0.5, 0.9])
def test_shape_of_pareto_tails(shape):
    weights = scipy.stats.genpareto(shape).rvs(100_000, random_state=1)
    assert pareto_shape(np.log(weights)) == pytest.approx(shape, abs=0.08)


@pytest.mark.parametrize("variance", [0.3, 0.5])
def test_shape_of_weights_of_a_narrow_proposal(variance):
    # P(w > t) ~ t^{-1 / (1 - s^2)} up to logarithms, which keep k below its limit.
    found = _normal_weights(np.sqrt(variance), 200_000).pareto_k
    assert 1 - variance - 0.25 < found < 1 - variance + 0.05


def test_bounded_and_equal_weights():
    assert _normal_weights(2.0, 10_000).pareto_k < 0.3
    assert pareto_shape(np.zeros(1000)) == -np.inf
    mostly_zero = np.full(1000, -np.inf)
    mostly_zero[:3] = [0.0, 1.0, 2.0]
    assert pareto_shape(mostly_zero) == np.inf
    assert not WeightedDraws(mostly_zero, mostly_zero).reliable
    assert largest_trustworthy_shape(1000) == pytest.approx(2 / 3)
    assert largest_trustworthy_shape(10**6) == 0.7


def test_effective_sample_size():
    weighted = _normal_weights(1.5, 200_000)
    # E[w]^2 / E[w^2] of normals, in closed form.
    s2 = 1.5**2
    assert weighted.ess == pytest.approx(np.sqrt(2 * s2 - 1) / s2, rel=0.01)
    counts, shares = weighted.ess_curve()
    assert counts[-1] == 200_000
    assert shares[-1] == pytest.approx(weighted.ess)
    spoiled = np.append(weighted.log_weights, 50.0)
    spoiled = WeightedDraws(np.append(weighted.draws, 0.0), spoiled)
    assert spoiled.ess < 1e-5
    assert spoiled.trimmed_ess() > 0.7


@pytest.mark.parametrize("seed", range(3))
def test_estimates_within_their_errors(seed):
    weighted = _normal_weights(1.5, 20_000, seed)
    for estimate, truth in [
        (weighted.log_normalizer, 1.5),
        (weighted.mean(np.square), 1.0),
        (weighted.mean(lambda x: np.stack([x, x**4], -1)), np.array([0.0, 3.0])),
    ]:
        assert np.all(np.abs(estimate.value - truth) < 4 * estimate.error)
        assert np.all(estimate.error < 0.1)


def test_errors_are_those_of_repetition():
    runs = [_normal_weights(1.5, 1000, seed) for seed in range(200)]
    for estimates in (
        [run.log_normalizer for run in runs],
        [run.mean(np.square) for run in runs],
    ):
        values, errors = np.array(estimates).T
        assert errors.mean() == pytest.approx(values.std(), rel=0.15)


def test_free_energy_profile():
    profile = _normal_weights(1.5, 100_000).free_energy(lambda x: x, bins=40)
    inside = np.abs(profile.coordinate) < 2.5
    width = np.diff(profile.coordinate)[0]
    edges = profile.coordinate[:, None] + np.array([-0.5, 0.5]) * width
    exact = -np.log(np.diff(scipy.stats.norm.cdf(edges), axis=1)[:, 0])
    off = (profile.value - exact - (profile.value - exact)[inside].mean())[inside]
    assert np.abs(off / profile.error[inside]).max() < 5


def test_bridge_is_better_than_one_side():
    proposal, target = scipy.stats.norm(scale=0.6), scipy.stats.norm
    errors, stated = [], []
    for seed in range(50):
        weighted = _normal_weights(0.6, 2_000, seed)
        x = target.rvs(size=1_000, random_state=1000 + seed)
        bridged = weighted.bridged_log_normalizer(
            1.5 + target.logpdf(x) - proposal.logpdf(x)
        )
        errors.append([weighted.log_normalizer.value - 1.5, bridged.value - 1.5])
        stated.append(bridged.error)
    one_side, both = np.sqrt(np.mean(np.square(errors), axis=0))
    assert both < 0.7 * one_side
    assert np.mean(stated) == pytest.approx(both, rel=0.3)


def test_model_and_distribution_give_the_same_weights():
    normal = tfd.MultivariateNormalDiag([0.5, 0.0], [1.2, 0.9])
    energy = lambda x: 0.5 * tf.reduce_sum(x**2, -1)  # noqa: E731
    ours = reweight(FlowModel(normal), energy, 2_500, seed=3, verbose=0)
    again = reweight(FlowModel(normal), energy, 2_500, seed=3, verbose=0)
    theirs = reweight(normal, energy, 2_500, seed=3, verbose=0)
    np.testing.assert_array_equal(ours.log_weights, again.log_weights)
    assert ours.draws.shape == (2_500, 2)
    for weighted in (ours, theirs):
        log_z = weighted.log_normalizer
        assert abs(log_z.value - np.log(2 * np.pi)) < 4 * log_z.error
        assert weighted.reliable
        assert "the weights can be used" in str(weighted)


def test_infinite_energy_weighs_nothing_and_others_are_refused():
    normal = tfd.MultivariateNormalDiag([0.0, 0.0])
    x = tf.constant([[0.0, 1.0], [2.0, 3.0]])
    wall = lambda x: tf.where(x[:, 0] > 1, np.inf, 0.0)  # noqa: E731
    assert log_weights(normal, wall, x)[1] == -np.inf
    half = reweight(normal, wall, 1_000, verbose=0)
    assert np.isfinite(half.log_normalizer.value)
    with pytest.raises(ValueError, match="energy is not a number"):
        log_weights(normal, lambda x: -wall(x), x)
    with pytest.raises(ValueError, match=r"shape \(2,\), received shape \(2, 2\)"):
        log_weights(normal, lambda x: x, x)
    with pytest.raises(ValueError, match="expected at least 100, received 10"):
        reweight(normal, wall, 10)
    with pytest.raises(ValueError, match=r"a value for each of the 1000 draws"):
        half.mean(lambda x: x[:3])
    with pytest.raises(ValueError, match="finite log-weights"):
        half.bridged_log_normalizer(np.array([np.nan, 1.0]))
