"""The spline against a slow reference, at its edges and in its tails."""

import numpy as np
import pytest
import tensorflow as tf

from tests.reference.rational_quadratic import spline
from tfp_flows.ops import RationalQuadratic

K, BOUND = 5, 2.0


def parameters(features=4, scale=1.5, seed=0, dtype="float64"):
    rng = np.random.default_rng(seed)
    return (scale * rng.normal(size=[3 * K - 1, features])).astype(dtype)


@pytest.fixture
def transform():
    return RationalQuadratic(num_bins=K, bound=BOUND)


def test_matches_the_reference(transform):
    theta = parameters()
    x = np.random.default_rng(1).uniform(-3, 3, [200, 4])
    y, log_slope = transform.forward(tf.constant(x), tf.constant(theta))
    expected = np.array(
        [[spline(x[n, d], theta[:, d], K, BOUND) for d in range(4)] for n in range(200)]
    )
    np.testing.assert_allclose(y, expected[..., 0], rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(log_slope, expected[..., 1], rtol=1e-9, atol=1e-10)


def test_zero_parameters_are_the_identity(transform):
    x = np.linspace(-4, 4, 101)[:, None]
    theta = tf.zeros([3 * K - 1, 1], tf.float64)
    for apply in (transform.forward, transform.inverse):
        y, log_slope = apply(tf.constant(x), theta)
        np.testing.assert_allclose(y, x, atol=1e-14)
        np.testing.assert_allclose(log_slope, 0, atol=1e-13)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("direction", ["forward", "inverse"])
def test_gradients_are_finite_however_far_out(transform, direction, dtype):
    far = [0.0, BOUND, -BOUND, 1e4, -1e4, 1e30, -1e30, np.nextafter(BOUND, 0)]
    x = tf.constant([[value] for value in far], dtype)
    theta = tf.constant(parameters(1, scale=5.0, dtype=dtype))
    with tf.GradientTape() as tape:
        tape.watch([x, theta])
        y, log_slope = getattr(transform, direction)(x, theta)
        total = tf.reduce_sum(tf.tanh(y)) + tf.reduce_sum(log_slope)
    for gradient in tape.gradient(total, [x, theta]):
        assert np.all(np.isfinite(gradient))


def test_float32_round_trip_with_moderate_parameters(transform):
    theta = tf.constant(parameters(dtype="float32"))
    x = np.random.default_rng(2).uniform(-3, 3, [500, 4]).astype("float32")
    y, forward = transform.forward(tf.constant(x), theta)
    back, inverse = transform.inverse(y, theta)
    np.testing.assert_allclose(back, x, atol=2e-4)
    np.testing.assert_allclose(forward, -inverse, atol=2e-3)


def test_wrong_hyper_parameters_are_refused():
    for arguments in (
        {"num_bins": 1},
        {"bound": 0.0},
        {"min_bin_size": 0.2},
        {"min_slope": 1.0},
    ):
        with pytest.raises(ValueError, match=next(iter(arguments))):
            RationalQuadratic(**arguments)


@pytest.mark.parametrize("direction", ["forward", "inverse"])
def test_sums_have_an_order(transform, direction):
    """AddN begins with the buffer that is free first: other last digits by timing."""
    apply = tf.function(getattr(transform, direction))
    given = tf.zeros([3, 4], tf.float64), tf.constant(parameters())
    graph = apply.get_concrete_function(*given).graph
    assert "AddN" not in {operation.type for operation in graph.get_operations()}
