"""Self-normalizing layers, from Keller et al. (2021), eq. 3 to 5 and section 3.2.

Gradients ascend log p. Images are [H, W, C], kernels [rows, columns, in, out].
"""

import itertools

import numpy as np


def entries(kernel_size, image_shape, padding):
    """Yields (i, j, output pixel, input pixel) for each place of a kernel entry."""
    height, width = image_shape[:2]
    ranges = [range(n) for n in (*kernel_size, height, width)]
    for i, j, h, w in itertools.product(*ranges):
        row, column = h + i - kernel_size[0] // 2, w + j - kernel_size[1] // 2
        if padding == "circular":
            row, column = row % height, column % width
        if 0 <= row < height and 0 <= column < width:
            yield i, j, (h, w), (row, column)


def convolution(x, kernel, padding):
    """Cross-correlation of one image."""
    y = np.zeros([*x.shape[:2], kernel.shape[3]])
    for i, j, to, origin in entries(kernel.shape[:2], x.shape, padding):
        for a, b in np.ndindex(kernel.shape[2:]):
            y[(*to, b)] += kernel[i, j, a, b] * x[(*origin, a)]
    return y


def convolution_matrix(kernel, image_shape, padding):
    """T(w), one column for each unit image."""
    size = int(np.prod(image_shape))
    units = np.eye(size).reshape(size, *image_shape)
    return np.stack([convolution(x, kernel, padding).ravel() for x in units], axis=1)


def sum_over_entries(matrix, kernel_size, image_shape, padding):
    """For each kernel entry the sum of `matrix` over the places where it stands."""
    channels = image_shape[2]
    blocks = matrix.reshape(*image_shape, *image_shape)
    total = np.zeros([*kernel_size, channels, channels])
    for i, j, to, origin in entries(kernel_size, image_shape, padding):
        total[i, j] += blocks[to][(slice(None), *origin)].T
    return total


def occurrences(kernel_size, image_shape, padding):
    """How often each spatial kernel entry stands in T(w)."""
    count = np.zeros(kernel_size)
    for i, j, _, _ in entries(kernel_size, image_shape, padding):
        count[i, j] += 1
    return count


def mixture_gradients(kernel, inverse, x, base_score):
    """Gradients of Σ ½ log pᶠ + ½ log pᵍ over a batch, in W, R, b and x.

    base_score: ∂ log p_Z / ∂z at z = W x + b, [N, D].
    """
    in_kernel, in_inverse = np.zeros_like(kernel), np.zeros_like(inverse)
    for point, delta in zip(x, base_score, strict=True):
        in_kernel += 0.5 * (np.outer(delta, point) + inverse.T)
        delta_x = kernel.T @ delta
        in_inverse += 0.5 * (-np.outer(delta_x, kernel @ point) - kernel.T)
    return in_kernel, in_inverse, base_score.sum(axis=0), base_score @ kernel


def reconstruction(kernel, inverse, x):
    """mean ‖x − R W x‖² and its gradients in W and R."""
    error, in_kernel, in_inverse = 0.0, np.zeros_like(kernel), np.zeros_like(inverse)
    for point in x:
        excess = inverse @ kernel @ point - point
        error += excess @ excess / len(x)
        in_kernel += 2 * np.outer(inverse.T @ excess, point) / len(x)
        in_inverse += 2 * np.outer(excess, kernel @ point) / len(x)
    return error, in_kernel, in_inverse


def gaussian_entropy(covariance):
    """½ log det(2πe S): the least mean negative log-likelihood, nats."""
    return 0.5 * np.linalg.slogdet(2 * np.pi * np.e * covariance)[1]
