"""Convolutions as linear maps, against slow loops and dense matrices."""

import numpy as np
import pytest
import tensorflow as tf

from tests.reference import self_normalizing as reference
from tfp_flows import ops

# Kernel size, image shape.
SHAPES = [
    ((1, 1), (3, 4, 2)),
    ((3, 3), (4, 5, 2)),
    ((3, 5), (5, 6, 2)),
    ((5, 3), (3, 4, 1)),
    ((5, 5), (7, 6, 1)),
    ((1, 3), (4, 4, 2)),
]
PADDINGS = ["zero", "circular"]
every_case = pytest.mark.parametrize(
    ("size", "shape", "padding"),
    [
        (size, shape, padding)
        for size, shape in SHAPES
        for padding in PADDINGS
        if padding == "zero" or all(k <= n for k, n in zip(size, shape, strict=False))
    ],
    ids=str,
)


def random_kernel(size, channels, seed=0, scale=0.2):
    """Near the identity, so that the convolution is well conditioned."""
    kernel = scale * np.random.default_rng(seed).normal(
        size=[*size, channels, channels]
    )
    kernel[size[0] // 2, size[1] // 2] += np.eye(channels)
    return kernel


def log_det_gradient(kernel, inverse, shape, padding, **options):
    kernel, inverse = tf.constant(kernel), tf.constant(inverse)
    with tf.GradientTape() as tape:
        tape.watch([kernel, inverse])
        value = ops.self_normalizing_conv2d_log_abs_det(
            kernel, inverse, shape, padding=padding, **options
        )
    return tape.gradient(value, [kernel, inverse])


@every_case
def test_convolution_and_matrix_column_by_column(size, shape, padding):
    kernel = random_kernel(size, shape[2])
    expected = reference.convolution_matrix(kernel, shape, padding)
    found = ops.conv2d_matrix(tf.constant(kernel), shape, padding)
    np.testing.assert_allclose(found, expected, atol=1e-13)
    x = np.random.default_rng(1).normal(size=[2, 3, *shape])
    y = ops.conv2d(tf.constant(x), tf.constant(kernel), padding)
    columns = x.reshape(6, -1) @ expected.T
    np.testing.assert_allclose(y, columns.reshape(x.shape), atol=1e-12)


@every_case
def test_counts_of_entries(size, shape, padding):
    expected = reference.occurrences(size, shape, padding)
    found = ops.kernel_counts(size, shape, padding)
    assert found.shape == (*size, 1, 1)
    np.testing.assert_array_equal(found[..., 0, 0], expected)
    kernel = tf.zeros([*size, 1, 1], tf.float64)
    ones = tf.ones([1, *shape[:2], 1], tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(kernel)
        total = tf.reduce_sum(ops.conv2d(ones, kernel, padding))
    np.testing.assert_array_equal(found, tape.gradient(total, kernel))


@every_case
def test_adjoint_kernel_is_the_transposed_matrix(size, shape, padding):
    kernel = tf.constant(random_kernel(size, shape[2]))
    matrix = ops.conv2d_matrix(kernel, shape, padding)
    adjoint = ops.conv2d_matrix(ops.adjoint_kernel(kernel), shape, padding)
    np.testing.assert_allclose(adjoint, tf.transpose(matrix), atol=1e-14)


@every_case
def test_gradient_for_any_inverse_kernel(size, shape, padding):
    """Rᵀ in place of W⁻ᵀ, summed over the places of each entry."""
    kernel, inverse = (random_kernel(size, shape[2], seed) for seed in (0, 1))
    found, in_inverse = log_det_gradient(kernel, inverse, shape, padding)
    dense = reference.convolution_matrix(inverse, shape, padding).T
    expected = reference.sum_over_entries(dense, size, shape, padding)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    assert in_inverse is None


@every_case
def test_mixture_gradient(size, shape, padding):
    kernel, inverse = (random_kernel(size, shape[2], seed) for seed in (0, 1))
    found = log_det_gradient(kernel, inverse, shape, padding, density="mixture")
    for gradient, other, factor in zip(
        found, (inverse, kernel), (0.5, -0.5), strict=True
    ):
        dense = reference.convolution_matrix(other, shape, padding).T
        expected = factor * reference.sum_over_entries(dense, size, shape, padding)
        np.testing.assert_allclose(gradient, expected, rtol=1e-12, atol=1e-12)


@every_case
def test_exact_gradient_is_a_sum_over_entries(size, shape, padding):
    kernel = tf.constant(random_kernel(size, shape[2]))
    with tf.GradientTape() as tape:
        tape.watch(kernel)
        matrix = ops.conv2d_matrix(kernel, shape, padding)
        value = tf.linalg.slogdet(matrix).log_abs_determinant
    dense = np.linalg.inv(reference.convolution_matrix(kernel.numpy(), shape, padding))
    expected = reference.sum_over_entries(dense.T, size, shape, padding)
    np.testing.assert_allclose(tape.gradient(value, kernel), expected, atol=1e-10)


def test_pixelwise_gradient_is_exact():
    kernel = random_kernel((1, 1), 3)
    inverse = np.linalg.inv(kernel)
    found, _ = log_det_gradient(kernel, inverse, (4, 5, 3), "zero")
    expected = 20 * np.swapaxes(inverse, 2, 3)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


def test_circular_gradient_of_a_kernel_that_covers_the_image_is_exact():
    size, shape = (3, 5), (3, 5, 2)
    kernel = random_kernel(size, 2, scale=0.1)
    impulse = np.zeros([2, *shape])
    impulse[np.arange(2), 1, 2, np.arange(2)] = 1.0
    response = ops.conv2d_solve(
        tf.constant(impulse), tf.constant(kernel), "circular"
    ).numpy()
    # The response to an impulse is the mirrored kernel, the same on both sides.
    inverse = np.transpose(response[:, ::-1, ::-1], [1, 2, 0, 3])
    product = reference.convolution_matrix(kernel, shape, "circular")
    product = product @ reference.convolution_matrix(inverse, shape, "circular")
    np.testing.assert_allclose(product, np.eye(30), atol=1e-12)
    found, _ = log_det_gradient(kernel, inverse, shape, "circular")
    variable = tf.constant(kernel)
    with tf.GradientTape() as tape:
        tape.watch(variable)
        matrix = ops.conv2d_matrix(variable, shape, "circular")
        value = tf.linalg.slogdet(matrix).log_abs_determinant
    np.testing.assert_allclose(found, tape.gradient(value, variable), atol=1e-10)


@every_case
@pytest.mark.parametrize("scale", [0.1, 1.0])
def test_log_determinant(size, shape, padding, scale):
    kernel = random_kernel(size, shape[2], seed=2, scale=scale)
    matrix = reference.convolution_matrix(kernel, shape, padding)
    expected = np.linalg.slogdet(matrix)[1]
    found = ops.conv2d_log_abs_det(tf.constant(kernel), shape, padding)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("height", range(1, 10))
@pytest.mark.parametrize("rows", [3, 5, 7])
def test_log_determinant_of_any_height(height, rows):
    """The last group of image rows is cut wherever the image ends."""
    kernel = random_kernel((rows, 3), 1, seed=3, scale=0.5)
    matrix = ops.conv2d_matrix(tf.constant(kernel), (height, 3, 1))
    expected = np.linalg.slogdet(matrix)[1]
    found = ops.conv2d_log_abs_det(tf.constant(kernel), (height, 3))
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("padding", PADDINGS)
def test_log_determinant_in_float32_with_and_without_xla(padding):
    kernel = random_kernel((5, 3), 2).astype("float32")
    exact = tf.constant(kernel.astype("float64"))
    matrix = ops.conv2d_matrix(exact, (7, 8, 2), padding)
    expected = np.linalg.slogdet(matrix)[1]
    for jit in (False, True):
        function = tf.function(ops.conv2d_log_abs_det, jit_compile=jit)
        found = function(tf.constant(kernel), (7, 8), padding)
        np.testing.assert_allclose(found, expected, rtol=1e-5)


@every_case
def test_solution(size, shape, padding):
    kernel = random_kernel(size, shape[2], scale=0.1)
    x = np.random.default_rng(4).normal(size=[3, *shape])
    y = ops.conv2d(tf.constant(x), tf.constant(kernel), padding)
    back = ops.conv2d_solve(y, tf.constant(kernel), padding)
    np.testing.assert_allclose(back, x, atol=1e-10)
    dense = reference.convolution_matrix(kernel, shape, padding)
    expected = np.linalg.solve(dense, y.numpy().reshape(3, -1).T).T
    np.testing.assert_allclose(back, expected.reshape(x.shape), atol=1e-10)


def test_not_a_number_stays_one():
    kernel = random_kernel((3, 3), 1)
    kernel[0, 1] = np.nan
    for padding in PADDINGS:
        found = ops.conv2d_log_abs_det(tf.constant(kernel), (5, 5), padding)
        assert np.isnan(found)
