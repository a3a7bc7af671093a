"""Judging draws for rows: scores of single columns, of dependence, and intervals.

A forecast of a row is S draws, as a model given the row's context makes them.
"""

from typing import NamedTuple

import numpy as np

__all__ = ["Coverage", "crps", "interval_coverage", "variogram_score"]


class Coverage(NamedTuple):
    """How often central intervals hold the value, for each of D columns."""

    share: np.ndarray
    """[D], of the rows; the level, for a right model."""
    error: np.ndarray
    """[D], its standard error."""
    width: np.ndarray
    """[D], mean width of the intervals."""


def crps(data: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Returns E|X − x| − ½ E|X − X′| of each value, [N, D]; less is better.

    The continuous ranked probability score, ∫ (F(y) − 1{y ≥ x})² dy, in the units of
    the column, without bias and by sorting: O(S log S).

    Args:
        data: [N, D].
        draws: [S, N, D], S ≥ 2.

    Raises:
        ValueError: shapes that do not fit.

    Reference: Gneiting and Raftery (2007), section 4.2.

    Example:
        >>> crps(np.array([[0.0]]), np.array([[[-1.0]], [[1.0]]]))
        array([[0.]])
    """
    data, draws = _checked(data, draws)
    count = len(draws)
    ordered = np.sort(draws, axis=0)
    ranks = (2 * np.arange(count) - count + 1).reshape(-1, 1, 1)
    spread = (ranks * ordered).sum(axis=0) / (count * (count - 1))
    return np.abs(draws - data).mean(axis=0) - spread


def variogram_score(
    data: np.ndarray, draws: np.ndarray, *, order: float = 0.5
) -> np.ndarray:
    """Returns Σᵢ<ⱼ (|xᵢ − xⱼ|^p − E|Xᵢ − Xⱼ|^p)² of each row, [N]; less is better.

    It looks at how columns go together, and knows nothing of a common shift: a metric
    beside another score, not one to train by. Columns should have one unit.

    Args:
        data: [N, D], D ≥ 2.
        draws: [S, N, D].
        order: p.

    Reference: Scheuerer and Hamill (2015), "Variogram-based proper scoring rules for
    probabilistic forecasts of multivariate quantities", eq. 11.
    """
    data, draws = _checked(data, draws)
    score = np.zeros(len(data))
    for first in range(data.shape[1]):
        for second in range(first):
            seen = np.abs(data[:, first] - data[:, second]) ** order
            told = np.abs(draws[..., first] - draws[..., second]) ** order
            score += (seen - told.mean(axis=0)) ** 2
    return score


def interval_coverage(data: np.ndarray, draws: np.ndarray, level: float) -> Coverage:
    """Returns how often the central interval between quantiles of draws holds a value.

    Of S draws quantiles are interpolated, so that the interval between the k-th and
    the l-th holds another draw with chance (l − k) / (S + 1).

    Args:
        data: [N, D].
        draws: [S, N, D].
        level: of the interval, in (0, 1).
    """
    data, draws = _checked(data, draws)
    if not 0 < level < 1:
        raise ValueError(f"level must be between 0 and 1, received {level}.")
    ends = [(1 - level) / 2, (1 + level) / 2]
    low, high = np.quantile(draws, ends, axis=0, method="weibull")
    share = np.mean((data >= low) & (data <= high), axis=0)
    error = np.sqrt(np.maximum(share * (1 - share), 0.0) / len(data))
    return Coverage(share, error, np.mean(high - low, axis=0))


def _checked(data: np.ndarray, draws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    data, draws = np.asarray(data, "float64"), np.asarray(draws, "float64")
    if data.ndim != 2 or draws.shape[1:] != data.shape or len(draws) < 2:
        raise ValueError(
            "Expected data of shape [N, D] and draws of shape [S, N, D] with S ≥ 2, "
            f"received {data.shape} and {draws.shape}."
        )
    return data, draws
