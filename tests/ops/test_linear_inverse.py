"""Inverses by iteration, and the gradient of the implicit function."""

import numpy as np
import pytest
import tensorflow as tf

from tfp_flows import ops

D = 5


def problem(distance):
    """W, R with ‖I − R W‖₂ = distance, and right-hand sides."""
    rng = np.random.default_rng(0)
    w = np.eye(D) + 0.3 * rng.normal(size=[D, D])
    e = rng.normal(size=[D, D])
    e *= distance / np.linalg.norm(e, 2)
    r = (np.eye(D) - e) @ np.linalg.inv(w)
    return w, r, rng.normal(size=[4, D])


def refined(w, r, y, **options):
    return ops.refined_inverse(
        lambda x: tf.matmul(x, w, transpose_b=True),
        lambda x: tf.matmul(x, r, transpose_b=True),
        tf.convert_to_tensor(y),
        **options,
    )


def residual(w, x, y):
    """Largest error of each row, relative to its largest entry."""
    return np.abs(y - x @ w.T).max(1) / np.abs(y).max(1)


@pytest.mark.parametrize("tolerance", [1e-2, 1e-6, 1e-12])
@pytest.mark.parametrize("distance", [0.0, 0.1, 0.7])
def test_refinement_reaches_its_tolerance(tolerance, distance):
    w, r, y = problem(distance)
    # Rows of very different size: each has its own tolerance.
    y *= np.array([[1e-6], [1.0], [1e6], [0.0]])
    x = refined(w, r, y, tolerance=tolerance).numpy()
    assert np.all(residual(w, x[:3], y[:3]) <= tolerance)
    np.testing.assert_array_equal(x[3], np.zeros(D))


def test_refinement_stops_as_soon_as_it_may():
    w, r, y = problem(0.5)
    applied = []

    def approximate(x):
        applied.append(1)
        return tf.matmul(x, r, transpose_b=True)

    def count(tolerance):
        applied.clear()
        ops.refined_inverse(
            lambda x: tf.matmul(x, w, transpose_b=True),
            approximate,
            tf.constant(y),
            tolerance=tolerance,
        )
        return len(applied)

    loose, tight = count(1e-1), count(1e-10)
    assert loose < tight <= 60


@pytest.mark.parametrize("compiled", [False, True])
def test_an_inverse_that_is_too_far_raises_with_a_remedy(compiled):
    w, r, y = problem(1.5)

    def solve(y):
        return refined(w, r, y, tolerance=1e-6)

    run = tf.function(solve) if compiled else solve
    with pytest.raises(
        tf.errors.InvalidArgumentError, match="raise the reconstruction"
    ):
        run(tf.constant(y))


def test_under_xla_rows_that_fail_are_not_numbers():
    w = np.diag([1.0, 1.0, 1.0, 1.0, 4.0])
    r = np.eye(D)
    y = np.eye(D)[[0, 4]]

    @tf.function(jit_compile=True, autograph=False)
    def solve(y):
        return refined(w, r, y, tolerance=1e-6)

    x = solve(tf.constant(y)).numpy()
    np.testing.assert_allclose(x[0], y[0])
    assert np.all(np.isnan(x[1]))


def implicit(y, w):
    def solve(y, w):
        return tf.transpose(tf.linalg.solve(w, tf.transpose(y)))

    return ops.implicit_inverse(
        lambda y: tf.stop_gradient(solve(y, w)),
        lambda cotangent: tf.stop_gradient(solve(cotangent, tf.transpose(w))),
        lambda x, w: tf.matmul(x, w, transpose_b=True),
        y,
        w,
    )


def test_implicit_gradients_are_those_of_a_solve():
    w, _, y = problem(0.0)
    w, y = tf.constant(w), tf.constant(y)

    def gradients(function):
        with tf.GradientTape() as tape:
            tape.watch([y, w])
            loss = tf.reduce_sum(tf.sin(function(y, w)))
        return loss, *tape.gradient(loss, [y, w])

    def solve(y, w):
        return tf.transpose(tf.linalg.solve(w, tf.transpose(y)))

    for found, expected in zip(gradients(implicit), gradients(solve), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("padding", ["zero", "circular"])
def test_implicit_gradients_of_a_convolution_by_finite_differences(padding):
    rng = np.random.default_rng(1)
    kernel = 0.1 * rng.normal(size=[3, 3, 2, 2])
    kernel[1, 1] += np.eye(2)
    y = rng.normal(size=[2, 4, 4, 2])

    def loss(y, kernel):
        x = ops.implicit_inverse(
            lambda y: ops.conv2d_solve(y, kernel, padding),
            lambda c: ops.conv2d_solve(c, ops.adjoint_kernel(kernel), padding),
            lambda x, kernel: ops.conv2d(x, kernel, padding),
            y,
            kernel,
        )
        return tf.reduce_sum(tf.sin(x))

    arguments = [tf.constant(y), tf.constant(kernel)]
    with tf.GradientTape() as tape:
        tape.watch(arguments)
        value = loss(*arguments)
    gradients = tape.gradient(value, arguments)
    for index, gradient in enumerate(gradients):
        step = 1e-5 * rng.normal(size=gradient.shape)
        shifted = [
            loss(
                *(a + sign * step if i == index else a for i, a in enumerate(arguments))
            )
            for sign in (1, -1)
        ]
        expected = (shifted[0] - shifted[1]) / 2
        np.testing.assert_allclose(np.sum(gradient * step), expected, rtol=1e-6)
