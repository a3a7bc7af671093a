"""Log-determinants with prescribed gradients, against what they stand for."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from tests.reference.self_normalizing import mixture_gradients
from tfp_flows import ops
from tfp_flows.bijectors import SelfNormalizingDense

tfb, tfd = tfp.bijectors, tfp.distributions
D = 6


def matrix(seed=0, size=D):
    rng = np.random.default_rng(seed)
    return np.eye(size) + 0.3 * rng.normal(size=[size, size])


def gradient(function, *arguments, **options):
    tensors = [tf.constant(argument) for argument in arguments]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        value = function(*tensors, **options)
    return [None if g is None else g.numpy() for g in tape.gradient(value, tensors)]


def times_rows(x, kernel):
    return tf.matmul(x, kernel, transpose_b=True)


def spectral(error):
    return np.linalg.norm(error, 2)


@pytest.mark.parametrize("size", [1, 2, 7, 40])
def test_values_are_exact(size):
    w = matrix(size=size)
    w[0] *= -1
    expected = np.linalg.slogdet(w)[1]
    wrong = tf.constant(np.full([size, size], 9.0))
    for value in (
        ops.log_abs_det(tf.constant(w)),
        ops.self_normalizing_log_abs_det(w, wrong),
        ops.self_normalizing_log_abs_det(w, wrong, density="mixture"),
        ops.relative_log_abs_det(w),
    ):
        np.testing.assert_allclose(value, expected, rtol=1e-12, atol=1e-12)


def test_a_batch_of_matrices():
    w = np.stack([matrix(seed) for seed in range(6)]).reshape(2, 3, D, D)
    expected = np.linalg.slogdet(w)[1]
    np.testing.assert_allclose(ops.log_abs_det(w), expected, rtol=1e-12)


def test_a_known_value_is_taken_as_given():
    known = tf.constant(-123.0, tf.float64)
    w = matrix()
    for value in (
        ops.self_normalizing_log_abs_det(w, w, value=known),
        ops.relative_log_abs_det(w, value=known),
    ):
        assert float(value) == -123.0


def test_the_exact_inverse_gives_the_exact_gradient():
    w = matrix()
    (exact,) = gradient(lambda w: tf.linalg.slogdet(w).log_abs_determinant, w)
    (learned, in_inverse) = gradient(
        ops.self_normalizing_log_abs_det, w, np.linalg.inv(w).T
    )
    np.testing.assert_allclose(learned, exact, atol=1e-10)
    assert in_inverse is None


@pytest.mark.parametrize("batch", [(), (5,), (2, 3)], ids=str)
def test_the_exact_inverse_gives_the_exact_gradient_of_a_density(batch):
    w = matrix()
    x = np.random.default_rng(1).normal(size=[*batch, D])

    def mean_log_prob(layer):
        base = tfd.MultivariateNormalDiag(tf.zeros([D], tf.float64))
        density = tfd.TransformedDistribution(base, tfb.Invert(layer))
        with tf.GradientTape() as tape:
            value = tf.reduce_mean(density.log_prob(tf.constant(x)))
        return value, tape.gradient(value, [layer.kernel, layer.bias])

    twins = [
        SelfNormalizingDense(D, initial=w, gradient=kind, dtype="float64")
        for kind in ("self_normalizing", "exact")
    ]
    (value, learned), (expected, exact) = map(mean_log_prob, twins)
    np.testing.assert_allclose(value, expected, rtol=1e-12)
    for one, other in zip(learned, exact, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-10)


@pytest.mark.parametrize("size", [1e-1, 1e-2, 1e-3])
def test_the_error_of_the_gradient_is_bounded(size):
    w = matrix()
    e = np.random.default_rng(2).normal(size=[D, D])
    e *= size / spectral(e)
    inverse = np.linalg.inv(w)
    learned, _ = gradient(
        ops.self_normalizing_log_abs_det, w, ((np.eye(D) - e) @ inverse).T
    )
    error = spectral(learned - inverse.T)
    assert error <= spectral(inverse) * size * (1 + 1e-12)
    # And no better than E allows: the bound would hold for the exact gradient too.
    np.testing.assert_allclose(error, spectral(e @ inverse), rtol=1e-9)


def test_mixture_gradients():
    rng = np.random.default_rng(3)
    w, r, b = matrix(), matrix(4), rng.normal(size=D)
    x = rng.normal(size=[9, D])

    def log_prob(w, inverse_transposed, b, x):
        r = tf.transpose(inverse_transposed)
        z = ops.mixture_linear(times_rows, x, w, r) + b
        log_det = ops.self_normalizing_log_abs_det(
            w, inverse_transposed, density="mixture"
        )
        return tf.reduce_sum(-0.5 * tf.reduce_sum(z**2, axis=1) + log_det)

    in_w, in_inverse, in_b, in_x = gradient(log_prob, w, r.T, b, x)
    expected = mixture_gradients(w, r, x, -(x @ w.T + b))
    for one, other in zip((in_w, in_inverse.T, in_b, in_x), expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-10)


def test_the_relative_gradient_is_the_exact_one_times_a_metric():
    rng = np.random.default_rng(5)
    w, x = matrix(), rng.normal(size=[7, D])

    def relative(w):
        z = ops.relative_matvec(tf.constant(x), w)
        return -0.5 * tf.reduce_sum(z**2) + 7 * ops.relative_log_abs_det(w)

    def exact(w):
        z = tf.matmul(x, w, transpose_b=True)
        log_det = tf.linalg.slogdet(w).log_abs_determinant
        return -0.5 * tf.reduce_sum(z**2) + 7 * log_det

    (found,), (expected,) = gradient(relative, w), gradient(exact, w)
    np.testing.assert_allclose(found, expected @ w.T @ w, atol=1e-10)


def test_the_relative_product_passes_the_ordinary_gradient_to_its_input():
    w, x = matrix(), np.random.default_rng(6).normal(size=[7, D])

    def half_square(product, x, w):
        return 0.5 * tf.reduce_sum(product(x, w) ** 2)

    in_x, _ = gradient(lambda x, w: half_square(ops.relative_matvec, x, w), x, w)
    np.testing.assert_allclose(in_x, x @ w.T @ w, atol=1e-10)


TWICE = {
    "learned": lambda w: ops.self_normalizing_log_abs_det(w, w),
    "mixture": lambda w: ops.self_normalizing_log_abs_det(w, w, density="mixture"),
    "relative": ops.relative_log_abs_det,
    "relative product": lambda w: tf.reduce_sum(ops.relative_matvec(w, w) ** 2),
    "convolution": lambda w: ops.self_normalizing_conv2d_log_abs_det(
        w[None, None], w[None, None], (2, 2)
    ),
    "mixture product": lambda w: tf.reduce_sum(ops.mixture_linear(times_rows, w, w, w)),
}


@pytest.mark.parametrize("function", TWICE.values(), ids=TWICE)
@pytest.mark.parametrize("compiled", [False, True])
def test_second_derivatives_are_refused(function, compiled):
    w = tf.constant(matrix())

    def second():
        with tf.GradientTape() as outer:
            outer.watch(w)
            with tf.GradientTape() as inner:
                inner.watch(w)
                value = function(w)
            first = inner.gradient(value, w)
        return outer.gradient(first, w)

    run = tf.function(second, autograph=False) if compiled else second
    with pytest.raises(LookupError, match='gradient="exact"'):
        run()


def test_hessians_are_refused():
    @tf.function(autograph=False)
    def hessian(w):
        return tf.hessians(ops.self_normalizing_log_abs_det(w, w), w)

    with pytest.raises(LookupError, match="second"):
        hessian(tf.constant(matrix()))


def test_not_a_number_stays_one():
    w = matrix()
    w[2, 3] = np.nan
    assert np.isnan(ops.self_normalizing_log_abs_det(w, matrix()))
    learned, _ = gradient(ops.self_normalizing_log_abs_det, matrix(), w)
    assert np.isnan(learned[2, 3])
    assert np.isfinite(learned).sum() == D * D - 1


@pytest.mark.parametrize("density", ["forward", "mixture"])
def test_with_and_without_xla(density):
    w = matrix(size=30).astype("float32")
    r = np.linalg.inv(matrix(1, size=30)).T.astype("float32")

    def step(w, r):
        with tf.GradientTape() as tape:
            tape.watch([w, r])
            value = ops.self_normalizing_log_abs_det(w, r, density=density)
        in_w, in_r = tape.gradient(
            value, [w, r], unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        return value, in_w, in_r

    plain, compiled = (
        tf.function(step, jit_compile=jit)(tf.constant(w), tf.constant(r))
        for jit in (False, True)
    )
    for one, other in zip(plain, compiled, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    np.testing.assert_allclose(plain[0], np.linalg.slogdet(w)[1], atol=1e-5)
