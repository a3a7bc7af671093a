"""What a translation between domains does to the classes of rows."""

import math
import statistics
from typing import NamedTuple

import numpy as np

__all__ = ["ClassShares", "class_shares"]

_MOST_ROWS, _LEVEL = 2000, 0.01


class ClassShares(NamedTuple):
    """Of each class, K in all.

    Attributes:
        labels: the numbers that name the classes.
        source: share of each among the rows that were translated.
        target: share of each among the rows of the target.
        kept: share of its translated rows whose nearest row of the target is of the
            same class; NaN of a class that has none.
        real: the same of the target's own rows and their nearest others.
        differ: whether the shares differ by more than chance, at a level of 1 %.
    """

    labels: list[float]
    source: list[float]
    target: list[float]
    kept: list[float]
    real: list[float]
    differ: bool


def class_shares(
    translated: np.ndarray,
    labels: np.ndarray,
    target: np.ndarray,
    target_labels: np.ndarray,
) -> ClassShares:
    """Returns shares of classes before and after, of at most 2,000 rows of each.

    Shares are compared class by class, |p − q| against the standard error of the pooled
    share, with Bonferroni's correction.

    Args:
        translated: [N, D], rows of the source in the target's space, in no order;
            columns in units of one size.
        labels: [N], their classes.
        target: [M, D], in no order.
        target_labels: [M].
    """
    classes = np.unique(np.concatenate([labels, target_labels]))
    own, other = (
        (part[:, np.newaxis] == classes).mean(axis=0)
        for part in (labels, target_labels)
    )
    n, m = len(labels), len(target_labels)
    pooled = (n * own + m * other) / (n + m)
    error = np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    limit = statistics.NormalDist().inv_cdf(1 - _LEVEL / (2 * len(classes)))
    x, y = translated[:_MOST_ROWS], target[:_MOST_ROWS]
    x_labels, y_labels = labels[:_MOST_ROWS], target_labels[:_MOST_ROWS]
    kept = _same_class(x, x_labels, y, y_labels, classes, own=False)
    real = _same_class(y, y_labels, y, y_labels, classes, own=True)
    return ClassShares(
        classes.tolist(),
        own.tolist(),
        other.tolist(),
        kept,
        real,
        bool(np.any(np.abs(own - other) > limit * error)),
    )


def _same_class(
    x: np.ndarray,
    labels: np.ndarray,
    y: np.ndarray,
    y_labels: np.ndarray,
    classes: np.ndarray,
    *,
    own: bool,
) -> list[float]:
    """How often the nearest row of y is of the row's class, by class."""
    squared = np.sum(x**2, axis=1)[:, np.newaxis] - 2 * x @ y.T + np.sum(y**2, axis=1)
    if own:
        np.fill_diagonal(squared, np.inf)
    same = y_labels[squared.argmin(axis=1)] == labels
    return [
        float(same[labels == one].mean()) if np.any(labels == one) else math.nan
        for one in classes
    ]
