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


def bound(x, scale=2.0):
    """E_u log p(x + u) in closed form."""
    moment = x**2 + x + 1 / 3
    return -moment / (2 * scale**2) - np.log(scale) - 0.5 * np.log(2 * np.pi)


def test_value_estimates_the_bound_which_is_below_the_probability():
    x = np.arange(-6.0, 6.0)
    assert np.all(bound(x) < exact(x))
    dist = Dequantized(normal())
    log_prob = tf.function(lambda seed: dist.log_prob(x[:, None], seed=seed))
    drawn = np.stack([log_prob(tf.constant([0, s])) for s in range(300)])
    error = drawn.std(0) / np.sqrt(len(drawn))
    assert np.all(np.abs(drawn.mean(0) - bound(x)) < 4.5 * error)
    strata = Dequantized(normal(), num_samples=64)
    np.testing.assert_allclose(strata.log_prob(x[:, None]), bound(x), atol=0.02)


def test_few_values_in_one_column_are_scored_without_bias():
    """All rows are one of two: their two hashes must not decide the likelihood."""
    x = np.random.default_rng(0).integers(0, 2, [2000, 1]).astype(float)
    dist = Dequantized(normal(0.5), num_samples=64)
    np.testing.assert_allclose(
        np.mean(dist.log_prob(x)), np.mean(bound(x, scale=0.5)), rtol=0.02
    )


def test_bounds_clip_samples_and_exclude_values():
    dist = Dequantized(normal(20.0), low=0, high=16)
    drawn = dist.sample(2000, seed=(0, 1)).numpy()
    assert drawn.min() == 0
    assert drawn.max() == 16
    assert np.all(np.isfinite(dist.log_prob(drawn)))
    np.testing.assert_array_equal(dist.log_prob([[-1.0], [17.0]]), [-np.inf] * 2)
    assert np.isnan(dist.log_prob([[np.nan]])[0])
    with pytest.raises(ValueError, match="low must be below"):
        Dequantized(normal(), low=3, high=3)


def test_glow_knows_its_own_samples():
    from tfp_flows.architectures import glow
    from tfp_flows.models import FlowModel

    flow = glow(
        (4, 4, 1), num_values=17, steps_per_level=1, hidden_sizes=(4,), context_size=1
    )
    model = FlowModel(flow)
    context = np.zeros([3, 1], "float32")
    x = model.sample(20, context=context, seed=0)
    assert x.shape == (20, 3, 4, 4, 1)
    broad = np.broadcast_to(context, [20, 3, 1])
    assert np.all(np.isfinite(model.log_prob(x, broad)))


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
