"""Jacobians, their products and singular values, against formulas in NumPy."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from tfp_flows import ops
from tfp_flows.ops.jacobian import power_step

N, INPUTS, OUTPUTS = 4, (3, 2), (5,)
RNG = np.random.default_rng(0)
MATRIX = 0.4 * RNG.normal(size=(5, 6))
X = RNG.normal(size=(N, *INPUTS))
V, W = RNG.normal(size=(N, *INPUTS)), RNG.normal(size=(N, *OUTPUTS))


def function(x):
    """Returns tanh(A x), of each row: [N, 3, 2] → [N, 5]."""
    return tf.tanh(tf.reshape(x, [-1, 6]) @ MATRIX.T)


def expected_jacobian():
    slopes = 1 - np.tanh(X.reshape(N, 6) @ MATRIX.T) ** 2
    return slopes[:, :, None] * MATRIX


def compiled(call, how):
    if how == "eager":
        return call
    return tf.function(call, autograph=False, jit_compile=how == "xla")


every_way = pytest.mark.parametrize("how", ["eager", "graph", "xla"])


@every_way
def test_jacobian_of_every_row(how):
    call = compiled(lambda x: ops.jacobian(function, x, 5), how)
    np.testing.assert_allclose(call(tf.constant(X)), expected_jacobian(), rtol=1e-11)


@every_way
def test_products_of_every_row(how):
    jacobian = expected_jacobian()
    for product, vector, rule in (
        (ops.jacobian_vector, V, "nij,nj->ni"),
        (ops.vector_jacobian, W, "nij,ni->nj"),
    ):
        call = compiled(lambda x, v, product=product: product(function, x, v), how)
        value, found = call(tf.constant(X), tf.constant(vector))
        expected = np.einsum(rule, jacobian, vector.reshape(N, -1))
        np.testing.assert_allclose(np.reshape(found, [N, -1]), expected, rtol=1e-11)
        np.testing.assert_allclose(value, function(X), rtol=1e-11)
    assert found.shape == X.shape


def test_products_pass_gradients_that_are_prescribed():
    matrix = tf.constant(np.eye(3) + 0.1 * RNG.normal(size=(3, 3)))

    def solve(x):
        return ops.implicit_inverse(
            lambda y: y @ tf.linalg.inv(matrix),
            lambda y: y @ tf.linalg.inv(matrix, adjoint=True),
            lambda y, kernel: y @ kernel,
            x,
            matrix,
        )

    x, v = tf.constant(RNG.normal(size=(2, N, 3)))
    _, found = ops.jacobian_vector(solve, x, v)
    np.testing.assert_allclose(found, v @ np.linalg.inv(matrix), rtol=1e-11)


@pytest.mark.parametrize("product", [ops.jacobian_vector, ops.vector_jacobian])
def test_products_of_a_bijector_that_has_seen_the_same_tensor(product):
    bijector, x = tfp.bijectors.Scale(tf.constant(2.0)), tf.ones([N, 3])
    kept = bijector.forward(x)
    value, found = product(bijector.forward, x, tf.ones_like(x))
    np.testing.assert_array_equal(value, kept)
    np.testing.assert_array_equal(found, 2.0 * np.ones([N, 3]))


@every_way
def test_trace_is_the_mean_over_signs(how):
    matrix = RNG.normal(size=(4, 4))
    signs = tf.constant(list(itertools.product([-1.0, 1.0], repeat=4)), tf.float64)

    def field(x):
        return tf.sin(x) @ matrix

    def estimates(x):
        _, pulled = ops.vector_jacobian(field, x, signs)
        return tf.reduce_sum(pulled * signs, axis=-1)

    x = RNG.normal(size=4)
    found = compiled(estimates, how)(tf.constant(np.tile(x, [16, 1])))
    assert np.mean(found) == pytest.approx(np.sum(np.cos(x) * np.diag(matrix)))


def test_the_trace_has_a_gradient():
    x = tf.constant(RNG.normal(size=(N, 3)))
    with tf.GradientTape() as tape:
        tape.watch(x)
        _, pulled = ops.vector_jacobian(tf.sin, x, tf.ones_like(x))
        trace = tf.reduce_sum(pulled)
    np.testing.assert_allclose(tape.gradient(trace, x), -np.sin(x), rtol=1e-11)


@every_way
def test_largest_singular_value_of_every_row(how):
    call = compiled(
        lambda x, w: ops.largest_singular_value(function, x, w, tolerance=1e-9), how
    )
    expected = np.linalg.svd(expected_jacobian(), compute_uv=False)[:, 0]
    found = call(tf.constant(X), tf.constant(W))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert np.all(found.numpy() <= expected * (1 + 1e-12))


def test_singular_value_of_what_has_no_slope_is_zero_and_of_nan_is_nan():
    x = tf.constant([[1.0, 2.0], [0.0, 0.0], [np.nan, 1.0]], tf.float64)
    found = ops.largest_singular_value(lambda x: x**2, x, tf.ones_like(x))
    np.testing.assert_allclose(found[:2], [4.0, 0.0], rtol=1e-3)
    assert np.isnan(found[2])


@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_singular_values_far_from_one_neither_vanish_nor_overflow(size):
    x = tf.ones([1, 3], tf.float64)
    found = ops.largest_singular_value(lambda x: size * x, x, x)
    np.testing.assert_allclose(found, [size], rtol=1e-11)


def test_several_maps_take_a_step_at_once_and_each_by_itself():
    x = tf.constant(X)

    def maps(source):
        first = source(x)
        y = function(first)
        second = source(y)
        return [(first, y), (second, 3.0 * second)]

    vectors, (first, second) = power_step(maps, [tf.constant(W), tf.constant(W)])
    jacobian, w = expected_jacobian(), W / np.linalg.norm(W, axis=1, keepdims=True)
    pulled = np.einsum("nij,ni->nj", jacobian, w)
    norms = np.linalg.norm(pulled, axis=1)
    np.testing.assert_allclose(first, norms, rtol=1e-11)
    np.testing.assert_allclose(second, 3.0, rtol=1e-11)
    pushed = np.einsum("nij,nj->ni", jacobian, pulled / norms[:, None])
    np.testing.assert_allclose(vectors[0], pushed, rtol=1e-11)
    np.testing.assert_allclose(vectors[1], 3.0 * w, rtol=1e-11)
