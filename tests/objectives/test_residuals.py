"""What a new component is trained on: values, gradients, and the note's 80/20 table."""

import types

import keras
import numpy as np
import pytest
import scipy.optimize
import scipy.special
import scipy.stats
import tensorflow as tf

from tfp_flows.objectives import MixtureLikelihood, ResidualWeights


@pytest.fixture
def two_modes():
    """Four fifths at −3 and a fifth at 3; G = N(−3, 0.6²) knows the first alone."""
    rng = np.random.default_rng(0)
    x = np.where(rng.uniform(size=20_000) < 0.8, -3.0, 3.0)
    x = x + 0.5 * rng.normal(size=20_000)
    return x, scipy.stats.norm(-3, 0.6).logpdf(x)


def gradient_weights(log_old, log_new, rate, lifted=False):
    """The loss, and what the gradient multiplies ∇ log g of each row with, times N."""
    objective = MixtureLikelihood(rate)
    objective.is_lifted.assign(lifted)
    log_new = tf.constant(log_new, "float64")
    batch = types.SimpleNamespace(known=tf.constant(log_old), log_prob=log_new)
    with tf.GradientTape() as tape:
        tape.watch(log_new)
        rows = objective(batch, seed=None, training=True).loss
        loss = tf.reduce_mean(rows)
    return loss.numpy(), -len(log_old) * tape.gradient(loss, log_new).numpy()


def test_mixture_likelihood_and_its_gradient():
    """The minimum over r, and −r g / ((1 − r) G + r g) / N at the r of the minimum."""
    rng = np.random.default_rng(0)
    log_old, log_new = rng.normal(size=[2, 500]) * 3
    log_old[:5], log_new[5:10] = -400, -400

    def value(rate):
        joint = log_old + np.log1p(-rate), log_new + np.log(rate)
        return -np.logaddexp(*joint).mean()

    best = scipy.optimize.minimize_scalar(value, bounds=(0.01, 0.99), method="bounded")
    loss, weights = gradient_weights(log_old, log_new, 0.25)
    assert loss == pytest.approx(best.fun, abs=1e-3)
    odds = np.log(best.x / (1 - best.x))
    expected = scipy.special.expit(log_new - log_old + odds)
    np.testing.assert_allclose(weights, expected, atol=0.02)


def test_a_lifted_component_learns_its_best_rows_however_far_it_is_behind():
    """The share r of rows where log g − log G is largest has at least even odds."""
    log_old = np.zeros(8)
    log_new = np.array([-100.0, -90, -80, -70, -60, -50, -40, -30])
    loss, weights = gradient_weights(log_old, log_new, 0.25, lifted=True)
    assert loss == pytest.approx(0.0, abs=1e-4)
    np.testing.assert_allclose(weights, [0, 0, 0, 0, 0, 0, 0.5, 1], atol=1e-4)
    _, further = gradient_weights(log_old, log_new - 1e4, 0.25, lifted=True)
    np.testing.assert_allclose(further, weights)
    _, alone = gradient_weights(log_old, log_new, 0.25)
    assert np.abs(alone).max() < 1e-4


def test_mixture_likelihood_is_saved():
    objective = MixtureLikelihood(0.3)
    data = keras.saving.serialize_keras_object(objective)
    assert keras.saving.deserialize_keras_object(data).rate == 0.3
    for rate in (0.0, 1.0, np.nan):
        with pytest.raises(ValueError, match="between 0 and 1"):
            MixtureLikelihood(rate)


def summary(rule, two_modes):
    """Effective sample size, weighted share of the uncovered mode, weighted mean."""
    x, log_density = two_modes
    weights = rule.calibrated(log_density)(tf.constant(log_density)).numpy()
    assert weights.mean() == pytest.approx(1)
    size = weights.sum() ** 2 / np.square(weights).sum()
    return size, weights[x > 0].sum() / len(x), (weights * x).mean()


def test_floor_finds_the_uncovered_mode(two_modes):
    for absolute in (True, False):
        size, share, mean = summary(ResidualWeights(absolute=absolute), two_modes)
        assert 3_500 < size < 4_500
        assert share > 0.995
        assert mean == pytest.approx(3.0, abs=0.05)


def test_without_a_floor_one_row_takes_all(two_modes):
    size, _, mean = summary(ResidualWeights(log_floor=None), two_modes)
    assert size < 5
    assert mean > 4


def test_power_tempers(two_modes):
    sizes = [
        summary(ResidualWeights(log_floor=None, power=power), two_modes)[0]
        for power in (0.1, 0.05, 0.0)
    ]
    assert sizes[0] < sizes[1] < sizes[2] == pytest.approx(20_000)


def test_floor_does_not_depend_on_units(two_modes):
    x, log_density = two_modes
    rule = ResidualWeights()
    in_meters = rule.calibrated(log_density)(tf.constant(log_density))
    shifted = log_density - 50.0
    in_microns = rule.calibrated(shifted)(tf.constant(shifted))
    np.testing.assert_allclose(in_meters, in_microns, rtol=1e-9)


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="power"):
        ResidualWeights(power=-1.0)
    with pytest.raises(ValueError, match="below the median"):
        ResidualWeights(log_floor=2.0)
