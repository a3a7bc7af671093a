"""Ranks of held-out data among model samples, and outlier p-values.

Under a right model the rank of a row among M draws is uniform. With ties broken at
random, u = (#{s < x} + V·(1 + #{s = x})) / (M + 1), V uniform, is exactly uniform
on (0, 1): the randomized probability integral transform.

Reference: Dawid (1984), "Statistical theory: the prequential approach", J. R. Stat.
Soc. A 147; Talts et al. (2018), "Validating Bayesian inference algorithms with
simulation-based calibration", arXiv:1804.06788.
"""

import dataclasses

import numpy as np

__all__ = [
    "Uniformity",
    "column_ranks",
    "conditional_ranks",
    "p_values",
    "rank_band",
    "uniformity",
]


@dataclasses.dataclass(frozen=True)
class Uniformity:
    """How far the ranks of each of D columns are from uniform.

    Attributes:
        deviation: largest distance of the empirical distribution function from the
            diagonal, Kolmogorov and Smirnov's statistic, [D].
        deviation_band: what 95% of right models stay below, one number.
        chi_squared: Σ_b (n_b − n/B)² / ((n/B)·v) / (B − 1) over B bins, 1 on
            average for a right model, [D].
        chi_squared_band: what 95% of right models stay below, one number.
    """

    deviation: np.ndarray
    deviation_band: float
    chi_squared: np.ndarray
    chi_squared_band: float

    @property
    def outside(self) -> np.ndarray:
        """Which columns leave the 95% band of the deviation, [D], bool."""
        return self.deviation > self.deviation_band


def column_ranks(data: np.ndarray, samples: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """Returns the rank of every value among the samples of its column.

    This looks at one column at a time: a model with right marginals and a wrong
    dependence between columns passes. All rows share the samples, which makes the
    ranks of different rows dependent; give `uniformity` the number of samples.

    Args:
        data: [N, D], held-out rows.
        samples: [M, D], rows drawn from the model.
        seed: for breaking ties.

    Returns:
        [N, D], ranks in (0, 1).

    Raises:
        ValueError: shapes that do not fit, no samples, or values that are NaN.
    """
    data, samples = _checked(data, "data", 2), _checked(samples, "samples", 2)
    _require_width(data, samples)
    below, equal = np.empty(data.shape), np.empty(data.shape)
    for column in range(data.shape[1]):
        ordered = np.sort(samples[:, column])
        below[:, column] = np.searchsorted(ordered, data[:, column], side="left")
        upper = np.searchsorted(ordered, data[:, column], side="right")
        equal[:, column] = upper - below[:, column]
    return _randomized(below, equal, len(samples), seed)


def conditional_ranks(
    data: np.ndarray, samples: np.ndarray, *, seed: int = 0
) -> np.ndarray:
    """Returns the rank of every value among samples drawn given its own context.

    Args:
        data: [N, D], held-out rows.
        samples: [S, N, D], S draws for every row.
        seed: for breaking ties.

    Returns:
        [N, D], ranks in (0, 1), independent between rows.

    Raises:
        ValueError: shapes that do not fit, no samples, or values that are NaN.
    """
    data, samples = _checked(data, "data", 2), _checked(samples, "samples", 3)
    if samples.shape[1:] != data.shape:
        raise ValueError(
            f"Expected samples of shape [samples, {data.shape[0]}, {data.shape[1]}], "
            f"received {samples.shape}. Draw the same number for each row of data."
        )
    below = np.asarray(np.sum(samples < data, axis=0), dtype=np.float64)
    equal = np.asarray(np.sum(samples == data, axis=0), dtype=np.float64)
    return _randomized(below, equal, len(samples), seed)


def uniformity(
    ranks: np.ndarray, *, shared_samples: int | None = None, bins: int = 20
) -> Uniformity:
    """Compares the ranks of each column with the uniform distribution.

    Bands: 1.358 / (√m + 0.12 + 0.11/√m) for the deviation (Stephens 1970,
    J. R. Stat. Soc. B 32) and Wilson and Hilferty's (1931) cube for the chi-squared,
    within 1% for 5 bins and more. M shared samples add their own noise: the
    variance grows by v = 1 + N/M, and m = N/v rows count.

    With D columns about D/20 lie outside by chance.

    Args:
        ranks: [N, D], of `column_ranks` or `conditional_ranks`.
        shared_samples: M of `column_ranks`; None for `conditional_ranks`.
        bins: B of the chi-squared.

    Returns:
        Both statistics for every column, with their bands.

    Raises:
        ValueError: no rows, or ranks outside [0, 1].
    """
    ranks = _checked(ranks, "ranks", 2)
    if ranks.min() < 0 or ranks.max() > 1:
        raise ValueError(
            f"Expected ranks in [0, 1], received {ranks.min():g} to {ranks.max():g}. "
            "Pass what column_ranks or conditional_ranks returned."
        )
    rows = len(ranks)
    spread = _spread(rows, shared_samples)
    ordered = np.sort(ranks, axis=0)
    grid = np.arange(rows + 1)[:, None] / rows
    deviation = np.maximum(grid[1:] - ordered, ordered - grid[:-1]).max(axis=0)
    root = np.sqrt(rows / spread)
    counts = np.stack([np.histogram(u, bins, (0, 1))[0] for u in ranks.T], axis=-1)
    expected = rows / bins
    chi_squared = ((counts - expected) ** 2).sum(axis=0) / (expected * spread)
    part = 2 / (9 * (bins - 1))
    return Uniformity(
        deviation=deviation,
        deviation_band=float(1.358 / (root + 0.12 + 0.11 / root)),
        chi_squared=chi_squared / (bins - 1),
        chi_squared_band=float((1 - part + 1.645 * np.sqrt(part)) ** 3),
    )


def rank_band(
    rows: int, *, shared_samples: int | None = None, bins: int = 20
) -> tuple[float, float]:
    """Returns where 95% of the bars of a right model's rank histogram end.

    1 ± 1.96·√(v·(B − 1)/N) with v = 1 + N/M, as a density whose mean is 1.

    Args:
        rows: N.
        shared_samples: M of `column_ranks`; None for `conditional_ranks`.
        bins: B.

    Returns:
        Lower (never below zero) and upper end.
    """
    half = 1.96 * np.sqrt(_spread(rows, shared_samples) * (bins - 1) / rows)
    return max(0.0, float(1 - half)), float(1 + half)


def p_values(scores: np.ndarray, reference_scores: np.ndarray) -> np.ndarray:
    """Returns (1 + #{r ≤ s}) / (n + 1) for every score s among n references r.

    For a row exchangeable with the references the chance of a value ≤ α is at most
    α: a valid (conformal) p-value, never zero. Small means an outlier when a score
    is a log-density.

    Args:
        scores: of new rows, any shape.
        reference_scores: [n], of held-out rows the model was not trained on.

    Returns:
        Values in (0, 1], shaped like `scores`.

    Raises:
        ValueError: no references, or a score that is NaN.

    Reference:
        Bates et al. (2023), "Testing for outliers with conformal p-values",
        arXiv:2104.08279, eq. 1.

    Example:
        >>> p_values(np.array([-9.0, 0.5]), np.array([0.0, 1.0, 2.0]))
        array([0.25, 0.5 ])
    """
    reference = np.sort(_checked(reference_scores, "reference_scores", 1))
    scores = np.asarray(scores, dtype=np.float64)
    if np.isnan(scores).any():
        raise ValueError(
            f"Expected scores that are numbers, received {np.isnan(scores).sum()} "
            "NaN. Drop rows with missing values before scoring."
        )
    return (1 + np.searchsorted(reference, scores, side="right")) / (len(reference) + 1)


def _randomized(
    below: np.ndarray, equal: np.ndarray, samples: int, seed: int
) -> np.ndarray:
    uniform = np.random.default_rng(seed).uniform(size=below.shape)
    return (below + uniform * (1 + equal)) / (samples + 1)


def _spread(rows: int, shared_samples: int | None) -> float:
    return 1.0 if shared_samples is None else 1.0 + rows / shared_samples


def _checked(values: np.ndarray, name: str, rank: int) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != rank or values.size == 0:
        raise ValueError(
            f"Expected {name} with {rank} axes and at least one entry, "
            f"received shape {values.shape}. See the docstring for its axes."
        )
    if np.isnan(values).any():
        raise ValueError(
            f"Expected {name} without NaN, received {np.isnan(values).sum()}. "
            "A NaN has no rank: find the rows that produce it."
        )
    return values


def _require_width(data: np.ndarray, samples: np.ndarray) -> None:
    if data.shape[1] != samples.shape[1]:
        raise ValueError(
            f"Expected samples with {data.shape[1]} columns as in data, received "
            f"{samples.shape[1]}. Pass both in the same column order."
        )
