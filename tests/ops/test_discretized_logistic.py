"""Probabilities of a rounded logistic variable."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from tfp_flows.ops import discretized_logistic_log_prob, discretized_logistic_mean

CASES = [(127.5, 30.0), (-40.0, 3.0), (0.0, 0.2), (255.0, 5.0), (300.0, 200.0)]


@pytest.mark.parametrize(("loc", "scale"), CASES)
def test_probabilities_sum_to_one_and_have_the_mean(loc, scale):
    x = np.arange(256.0)
    loc, scale = tf.constant(loc, tf.float64), tf.constant(scale, tf.float64)
    log_prob = discretized_logistic_log_prob(x, loc, scale, 256)
    np.testing.assert_allclose(np.exp(log_prob).sum(), 1.0, rtol=1e-12)
    mean = discretized_logistic_mean(loc, scale, 256)
    np.testing.assert_allclose(mean, np.exp(log_prob) @ x, rtol=1e-10)


def test_values_are_those_of_the_logistic_distribution():
    x = np.arange(1.0, 9.0)
    found = discretized_logistic_log_prob(
        x, tf.constant(4.3, tf.float64), tf.constant(1.7, tf.float64), 10
    )
    logistic = stats.logistic(4.3, 1.7)
    expected = np.log(logistic.cdf(x + 0.5) - logistic.cdf(x - 0.5))
    np.testing.assert_allclose(found, expected, rtol=1e-10)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
def test_float32_stays_finite_far_out_and_has_gradients(scale):
    loc, scale = tf.constant([-1e3, 0.0, 1e3]), tf.constant(scale)
    with tf.GradientTape() as tape:
        tape.watch([loc, scale])
        found = discretized_logistic_log_prob(tf.constant(100.0), loc, scale, 256)
    assert np.all(np.isfinite(found))
    assert all(np.all(np.isfinite(g)) for g in tape.gradient(found, [loc, scale]))
