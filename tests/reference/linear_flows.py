"""Likelihood of linear flows by direct sums, and projected gradient ascent on it."""

import numpy as np

__all__ = [
    "ascend",
    "ascend_one_example",
    "log_likelihood",
    "projections",
    "random_second_moments",
]


def log_likelihood(matrix, second):
    """Mean of log N(W x; 0, I) + log|det W| over data with E[x xᵀ] = second."""
    size = len(second)
    log_det = np.log(abs(np.linalg.det(matrix)))
    return (
        -0.5 * size * np.log(2 * np.pi)
        - 0.5 * np.trace(matrix @ second @ matrix.T)
        + log_det
    )


def clipped(low, high):
    """Projects singular values into an interval."""

    def project(matrix):
        left, values, right = np.linalg.svd(matrix)
        return (left * np.clip(values, low, high)) @ right

    return project


def unit_determinant(matrix):
    return matrix / abs(np.linalg.det(matrix)) ** (1 / len(matrix))


def orthogonal(matrix):
    left, _, right = np.linalg.svd(matrix)
    return left @ right


def scalar(matrix):
    return np.eye(len(matrix)) * np.trace(matrix) / len(matrix)


projections = {
    "full": lambda matrix: matrix,
    "diagonal": lambda matrix: np.diag(np.diag(matrix)),
    "scalar": scalar,
    "unit_det": unit_determinant,
    "orthogonal": orthogonal,
    "bounded": clipped(0.4, 0.9),
}


def ascend(second, project, rng, *, steps=3000, rate=0.05):
    """The best of projected gradient ascent from one random start."""
    size = len(second)
    matrix = project(np.eye(size) + 0.3 * rng.normal(size=(size, size)))
    best = -np.inf
    for _ in range(steps):
        gradient = np.linalg.inv(matrix).T - matrix @ second
        if project is unit_determinant:
            # Rescaling is no orthogonal projection: step within the group, where a
            # tangent is a matrix without trace times W.
            relative = gradient @ matrix.T
            relative -= np.eye(size) * np.trace(relative) / size
            gradient = relative @ matrix
        matrix = project(matrix + rate * gradient)
        best = max(best, log_likelihood(matrix, second))
    return best


def ascend_one_example(image, rng, *, centered, steps=2000, rate=0.1):
    """The best of log p(image) over W and b of z_p = W x_p + b at every position p.

    The sum over positions is taken anew in each step: no second moments.
    """
    pixels = image.reshape(-1, image.shape[-1])
    count, size = pixels.shape
    matrix = np.eye(size) + 0.3 * rng.normal(size=(size, size))
    bias, best = np.zeros(size), -np.inf
    for _ in range(steps):
        z = pixels @ matrix.T + bias
        log_probs = -0.5 * np.sum(z**2, axis=1) - 0.5 * size * np.log(2 * np.pi)
        log_det = np.log(abs(np.linalg.det(matrix)))
        best = max(best, np.sum(log_probs) + count * log_det)
        matrix = matrix + rate * (np.linalg.inv(matrix).T - z.T @ pixels / count)
        if centered:
            bias = bias - rate * z.mean(axis=0)
    return best


def random_second_moments(size, rng):
    mixing = rng.normal(size=(size, 2 * size))
    return mixing @ mixing.T / (2 * size)
