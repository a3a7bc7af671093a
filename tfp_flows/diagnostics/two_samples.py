"""Are two samples of one distribution? Distances beside those of data to itself.

A distance says little alone: real rows are not at zero from other real rows. Each
statistic therefore comes with its null, the same of two random halves of the data.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

__all__ = [
    "TwoSamples",
    "by_halves",
    "classifier_two_sample_test",
    "column_distances",
    "energy_distance",
]

_SPLITS = 20


class TwoSamples(NamedTuple):
    """A statistic of data and samples, and what data give against themselves."""

    statistic: float
    """Mean over random halves of the data, each against as many samples."""
    null: float
    """Mean over random halves of the data, each against the other half."""
    error: float
    """Standard deviation of a single one of the null's."""


def energy_distance(
    data: np.ndarray, samples: np.ndarray, *, beta: float = 1.0, seed: int = 0
) -> TwoSamples:
    """Returns 2 E|X − Y|^β − E|X − X′|^β − E|Y − Y′|^β, without bias: 0 if equal.

    Args:
        data: [N, D], or with more axes; columns in units of one size.
        samples: [M, D], M ≥ N/2; memory grows as (N + M)².
        beta: β in (0, 2).
        seed: of the halves.

    Raises:
        ValueError: β outside of (0, 2), fewer than four rows, shapes that do not fit.

    Reference: Székely and Rizzo (2013), "Energy statistics".
    """
    if not 0 < beta < 2:
        raise ValueError(f"beta must be above 0 and below 2, received {beta}.")

    def statistic(distances: np.ndarray) -> float:
        half = len(distances) // 2
        powers = distances**beta
        within = powers[:half, :half].sum() + powers[half:, half:].sum()
        return float(2 * powers[:half, half:].mean() - within / (half * (half - 1)))

    return _by_distances(data, samples, statistic, seed)


def classifier_two_sample_test(
    data: np.ndarray, samples: np.ndarray, *, seed: int = 0
) -> TwoSamples:
    """Returns how often the nearest other row tells data from samples: ½ if equal.

    The accuracy of a leave-one-out nearest neighbour on equal numbers of both. Round
    samples to the grid of the data first: that alone tells them apart.

    Args:
        data: [N, D], or with more axes; columns in units of one size.
        samples: [M, D], M ≥ N/2.
        seed: of the halves.

    Reference: Lopez-Paz and Oquab (2017), "Revisiting classifier two-sample tests",
    arXiv:1610.06545.
    """

    def statistic(distances: np.ndarray) -> float:
        distances = distances.copy()
        np.fill_diagonal(distances, np.inf)
        half = len(distances) // 2
        is_data = np.arange(2 * half) < half
        # Among equally near ones, as copies are, neither side is favored.
        nearest = distances == distances.min(axis=1, keepdims=True)
        shares = nearest @ is_data / nearest.sum(axis=1)
        return float(np.mean(np.where(is_data, shares, 1 - shares)))

    return _by_distances(data, samples, statistic, seed)


def column_distances(data: np.ndarray, samples: np.ndarray) -> np.ndarray:
    """Returns Wasserstein's distance of each column in its standard deviations, [D].

    W₁ = mean of |x₍ᵢ₎ − y₍ᵢ₎| over the sorted values: how far values move at least.

    Args:
        data: [N, D].
        samples: [N, D], as many rows.
    """
    gaps = np.abs(np.sort(data, axis=0) - np.sort(samples, axis=0)).mean(axis=0)
    return gaps / np.maximum(data.std(axis=0), 1e-300)


def by_halves(
    data: np.ndarray,
    samples: np.ndarray,
    statistic: Callable[[np.ndarray, np.ndarray], float],
    *,
    seed: int = 0,
) -> TwoSamples:
    """Averages a statistic of two sets of rows over random halves of the data.

    Args:
        data: [N, ...].
        samples: [M, ...].
        statistic: (half of the data, as many samples or the other half) → a number.
        seed: of the halves.

    Raises:
        ValueError: fewer than four rows, or shapes that do not fit.
    """
    half = len(data) // 2
    if half < 2 or len(samples) < half or data.shape[1:] != samples.shape[1:]:
        raise ValueError(
            "Expected at least 4 rows of data and half as many samples of the same "
            f"columns, received {data.shape} and {samples.shape}."
        )
    rng = np.random.default_rng(seed)
    found: list[float] = []
    null: list[float] = []
    for _ in range(_SPLITS):
        first, second = np.split(rng.permutation(len(data))[: 2 * half], 2)
        drawn = rng.permutation(len(samples))[:half]
        found.append(statistic(data[first], samples[drawn]))
        null.append(statistic(data[first], data[second]))
    return TwoSamples(
        float(np.mean(found)), float(np.mean(null)), float(np.std(null, ddof=1))
    )


def _by_distances(
    data: np.ndarray,
    samples: np.ndarray,
    statistic: Callable[[np.ndarray], float],
    seed: int,
) -> TwoSamples:
    """As `by_halves`; `statistic` is of the distances among both sets of rows."""
    from scipy.spatial.distance import cdist

    def of_rows(first: np.ndarray, second: np.ndarray) -> float:
        rows = np.concatenate([first, second])
        return statistic(cdist(rows, rows))

    data, samples = (
        np.asarray(x, "float64").reshape(len(x), -1) for x in (data, samples)
    )
    return by_halves(data, samples, of_rows, seed=seed)
