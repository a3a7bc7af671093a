"""How far a model's samples are from data, beside how far data are from data.

Four questions to one sample: are its columns' distributions right, its correlations,
the whole of its rows, and are the rows new? Each answer comes with what real rows
give, so that a number alone says whether anything is wrong.
"""

import numpy as np

from tfp_flows.diagnostics.two_samples import (
    TwoSamples,
    by_halves,
    classifier_two_sample_test,
)

__all__ = ["compare_samples", "copies", "correlation_gap", "largest_deviation"]

_ROWS, _COLUMNS = 1_000, 200
_TRAINING_ROWS = 50_000
_NEAR = 0.05
_BLOCK = 4_000_000  # distances held at once


def compare_samples(
    data: np.ndarray,
    samples: np.ndarray,
    training: np.ndarray | None = None,
    *,
    seed: int = 0,
) -> dict[str, TwoSamples]:
    """Returns the answers by name: "rows", "columns", "correlations" and "copies".

    Of wider rows columns and correlations are compared for 200 columns, by chance.

    Args:
        data: [N, D], rows that the model has not seen.
        samples: [M, D], M ≥ N/2.
        training: [K, D], rows that it has seen; None leaves "copies" out.
        seed: of halves and of the rows taken where there are very many.

    Raises:
        ValueError: fewer than four rows, or shapes that do not fit.
    """
    rng = np.random.default_rng(seed)
    data, samples = (
        _some(np.asarray(x, "float64"), _ROWS, rng) for x in (data, samples)
    )
    deviation = data.std(axis=0)
    # A pixel that never changes keeps its own unit.
    scale = np.where(deviation > 0, deviation, 1.0)
    width = data.shape[1]
    some = np.sort(rng.permutation(width)[:_COLUMNS])
    narrow = data[:, some], samples[:, some]
    found = {
        "rows": classifier_two_sample_test(data / scale, samples / scale, seed=seed),
        "columns": largest_deviation(*narrow, seed=seed),
    }
    if width > 1:
        found["correlations"] = correlation_gap(*narrow, seed=seed)
    if training is not None:
        known = _some(np.asarray(training, "float64"), _TRAINING_ROWS, rng)
        found["copies"] = copies(known / scale, data / scale, samples / scale)
    return found


def largest_deviation(
    data: np.ndarray, samples: np.ndarray, *, seed: int = 0
) -> TwoSamples:
    """Returns the largest sup |F̂_data − F̂_samples| of a column.

    Kolmogorov's and Smirnov's statistic, of halves of the data as all others here.

    Args:
        data: [N, D].
        samples: [M, D], M ≥ N/2.
        seed: of the halves.
    """

    def statistic(first: np.ndarray, second: np.ndarray) -> float:
        return max(map(_kolmogorov, first.T, second.T))

    return by_halves(data, samples, statistic, seed=seed)


def correlation_gap(
    data: np.ndarray, samples: np.ndarray, *, seed: int = 0
) -> TwoSamples:
    """Returns the largest difference of two columns' rank correlation.

    Args:
        data: [N, D], D ≥ 2.
        samples: [M, D], M ≥ N/2.
        seed: of the halves.
    """

    def statistic(first: np.ndarray, second: np.ndarray) -> float:
        return float(np.abs(_rank_correlation(first) - _rank_correlation(second)).max())

    return by_halves(data, samples, statistic, seed=seed)


def copies(training: np.ndarray, data: np.ndarray, samples: np.ndarray) -> TwoSamples:
    """Returns the share of samples nearer to a training row than 95 % of new rows are.

    A model that draws new rows has 5 %; one that repeats what it has seen has more. Of
    data that repeat themselves it is the share of exact copies.

    Args:
        training: [K, D], columns in units of one size.
        data: [N, D], rows that are not among them.
        samples: [M, D].

    Reference: Meehan, Chaudhuri, Dasgupta (2020), "A non-parametric test to detect
    data-copying in generative models", arXiv:2004.05675, for the idea.
    """
    real, drawn = (_nearest(training, x) for x in (data, samples))
    near = np.quantile(real, _NEAR)
    is_copy = [x == 0 if near == 0 else x < near for x in (drawn, real)]
    share, null = (float(np.mean(x)) for x in is_copy)
    variance = null * (1 - null) * (1 / len(data) + 1 / len(samples))
    return TwoSamples(share, null, float(np.sqrt(variance)))


def _some(x: np.ndarray, most: int, rng: np.random.Generator) -> np.ndarray:
    return x if len(x) <= most else x[rng.choice(len(x), most, replace=False)]


def _kolmogorov(first: np.ndarray, second: np.ndarray) -> float:
    places = np.concatenate([first, second])
    below = [
        np.searchsorted(np.sort(x), places, side="right") / len(x)
        for x in (first, second)
    ]
    return float(np.abs(below[0] - below[1]).max())


def _rank_correlation(x: np.ndarray) -> np.ndarray:
    ranks = np.argsort(np.argsort(x, axis=0, kind="stable"), axis=0).astype("float64")
    return np.atleast_2d(np.corrcoef(ranks.T))


def _nearest(training: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Distance of each row to the training row next to it, [N]."""
    from scipy.spatial.distance import cdist

    size = max(_BLOCK // len(training), 1)
    blocks = (x[start : start + size] for start in range(0, len(x), size))
    return np.concatenate([cdist(block, training).min(axis=1) for block in blocks])
