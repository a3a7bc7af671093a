"""Calibration of tails: how often held-out rows exceed the model's quantiles.

The value at risk of probability p is a model's quantile that a value falls below with
probability p. Of N held-out rows N·p should. A model with light tails has too many.

Reference: Kupiec (1995), "Techniques for verifying the accuracy of risk measurement
models", The Journal of Derivatives 3.
"""

import dataclasses
import math

import numpy as np

__all__ = ["Exceedances", "exceedances", "tail_quantiles"]


@dataclasses.dataclass(frozen=True)
class Exceedances:
    """How many held-out values are beyond the model's quantiles.

    Attributes:
        probability: p of one tail.
        expected: N·p, of each column and side.
        lower: values below the quantile p of their column, [D].
        upper: values above the quantile 1 − p, [D].
        band: counts between which 95% of right models with independent rows stay:
            two whole numbers.
    """

    probability: float
    expected: float
    lower: np.ndarray
    upper: np.ndarray
    band: tuple[int, int]

    @property
    def ratio(self) -> float:
        """Observed over expected, all columns and sides together."""
        counts = np.concatenate([self.lower, self.upper])
        return float(counts.mean() / self.expected)


def exceedances(
    data: np.ndarray, samples: np.ndarray, probability: float
) -> Exceedances:
    """Counts held-out values beyond the quantiles p and 1 − p of a model's samples.

    Args:
        data: [N, D], held-out rows.
        samples: [M, D], rows drawn from the model; at least 20 / p of them, so that
            the quantile is known to a quarter of its tail.
        probability: p, between 0 and ½.

    Returns:
        The counts, and what is expected.

    Raises:
        ValueError: another p, other columns, or too few samples.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> found = exceedances(
        ...     rng.standard_t(3, [5000, 1]), rng.normal(size=[20_000, 1]), 0.001)
        >>> found.expected, int(found.lower[0]) > found.band[1]
        (5.0, True)
    """
    if not 0 < probability < 0.5:
        raise ValueError(
            f"Expected a probability between 0 and 0.5, received {probability}."
        )
    if data.ndim != 2 or data.shape[1:] != samples.shape[1:]:
        raise ValueError(
            f"Expected rows of the same columns, received shapes {data.shape} and "
            f"{samples.shape}."
        )
    if len(samples) * probability < 20:
        raise ValueError(
            f"Expected at least {math.ceil(20 / probability):,} samples for the "
            f"probability {probability}, received {len(samples):,}."
        )
    low, high = np.quantile(samples, [probability, 1 - probability], axis=0)
    return Exceedances(
        probability=probability,
        expected=len(data) * probability,
        lower=np.sum(data < low, axis=0),
        upper=np.sum(data > high, axis=0),
        band=_binomial_band(len(data), probability),
    )


def tail_quantiles(
    data: np.ndarray, samples: np.ndarray, count: int = 40
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns quantiles of a column and of a model's samples, down to the last point.

    Args:
        data: [N], held-out values.
        samples: [M], values drawn from the model.
        count: probabilities of each side, even in their logarithm from 1/N to 0.2.

    Returns:
        Probabilities of both sides, data's quantiles, the model's: three of [2·count],
        in ascending order.
    """
    tail = np.geomspace(1 / len(data), 0.2, count)
    probabilities = np.concatenate([tail, 1 - tail[::-1]])
    return (
        probabilities,
        np.quantile(data, probabilities),
        np.quantile(samples, probabilities),
    )


def _binomial_band(count: int, probability: float) -> tuple[int, int]:
    """The 2.5% and 97.5% quantiles of a binomial variable."""
    k = np.arange(count)
    # log p(k + 1) − log p(k), from log p(0) on.
    steps = np.log((count - k) / (k + 1)) + math.log(probability / (1 - probability))
    log_mass = np.cumsum(np.r_[count * math.log1p(-probability), steps])
    low, high = np.searchsorted(np.cumsum(np.exp(log_mass)), [0.025, 0.975])
    return int(low), int(high)
