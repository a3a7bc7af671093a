"""What is peculiar to `Dequantized`: the bound, the noise and the units."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from scipy import stats

from tfp_flows.distributions import Dequantized

tfd = tfp.distributions
F64 = np.float64


def normal(scale=2.0):
    return tfd.MultivariateNormalDiag(F64([0.0]), F64([scale]))


def exact(x, scale=2.0):
    """log P of the cell [x, x + 1)."""
    return np.log(stats.norm.cdf(x + 1, 0, scale) - stats.norm.cdf(x, 0, scale))


def test_bound_is_below_and_rises_to_the_exact_probability():
    x = np.arange(-6.0, 6.0)[:, None]
    seeds = [(0, s) for s in range(200)]
    means = []
    for draws in (1, 8):
        dist = Dequantized(normal(), num_samples=draws)
        log_prob = tf.function(lambda seed, dist=dist: dist.log_prob(x, seed=seed))
        values = np.stack([log_prob(tf.constant(seed)) for seed in seeds])
        means.append(values.mean(0))
        error = values.std(0) / np.sqrt(len(values))
        assert np.all(means[-1] < exact(x[:, 0]) + 4 * error)
    assert means[0].mean() < means[1].mean() < exact(x[:, 0]).mean() + 1e-3
    np.testing.assert_allclose(means[1], exact(x[:, 0]), atol=0.03)


def test_units_follow_the_step():
    """Data on a grid of 0.5 is the data on whole numbers, rescaled."""
    x = np.arange(-4.0, 4.0)[:, None]
    coarse = Dequantized(normal(2.0)).log_prob(x, seed=(1, 1))
    fine = Dequantized(normal(1.0), step=0.5).log_prob(x / 2, seed=(1, 1))
    np.testing.assert_allclose(coarse, fine, rtol=1e-12)


def test_value_without_a_seed_is_a_function_of_the_row():
    dist = Dequantized(tfd.MultivariateNormalDiag(np.zeros(3, "float32")))
    x = np.random.default_rng(0).integers(-3, 4, [50, 3]).astype("float32")
    whole = dist.log_prob(x).numpy()
    np.testing.assert_array_equal(whole[::-1], dist.log_prob(x[::-1]))
    np.testing.assert_array_equal(whole[7], dist.log_prob(x[7]))
    compiled = tf.function(dist.log_prob, jit_compile=True)
    np.testing.assert_allclose(whole, compiled(x), rtol=1e-6)


def test_wrong_steps_are_refused():
    for step in (0.0, -1.0, np.nan, [0.0]):
        with pytest.raises(ValueError, match="non-negative sizes"):
            Dequantized(normal(), step=step)
    with pytest.raises(ValueError, match="num_samples"):
        Dequantized(normal(), num_samples=0)
