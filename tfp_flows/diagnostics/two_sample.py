"""How far two tables of rows are apart, column by column and for a classifier."""

import math

import numpy as np

__all__ = ["classifier_accuracy", "column_distances"]


def column_distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Returns Wasserstein's distance of each column in standard deviations of y, [D].

    W₁ = mean of |x₍ᵢ₎ − y₍ᵢ₎| over the sorted values: how far values move at least.

    Args:
        x: [N, D].
        y: [N, D], as many rows.
    """
    gaps = np.abs(np.sort(x, axis=0) - np.sort(y, axis=0)).mean(axis=0)
    return gaps / np.maximum(y.std(axis=0), 1e-300)


def classifier_accuracy(x: np.ndarray, y: np.ndarray) -> float:
    """Returns how often nearest neighbors tell the rows of x from those of y.

    The first half of either trains ⌊√n⌋ neighbors (made odd) in standard deviations of
    y, the other half is told apart: 0.5 where both are of one distribution.

    Args:
        x: [N, D], in an order of chance.
        y: [N, D], as many rows, N ≥ 2.

    Reference: Lopez-Paz and Oquab (2017), "Revisiting Classifier Two-Sample Tests",
    arXiv:1610.06545.
    """
    location, scale = y.mean(axis=0), np.maximum(y.std(axis=0), 1e-300)
    half = len(x) // 2
    halves = [np.split((rows - location) / scale, [half]) for rows in (x, y)]
    known, asked = (np.concatenate([pair[part] for pair in halves]) for part in (0, 1))
    squares = (asked**2).sum(1)[:, None] + (known**2).sum(1) - 2 * asked @ known.T
    count = math.isqrt(len(known)) | 1
    nearest = np.argpartition(squares, count - 1, axis=1)[:, :count]
    votes = (nearest >= half).mean(axis=1)
    truth = np.repeat([0.0, 1.0], [len(pair[1]) for pair in halves])
    return float(np.mean((votes > 0.5) == truth))
