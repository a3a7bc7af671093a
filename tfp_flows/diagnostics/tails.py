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
        lower: Values below the quantile p of their column: ``[D]``.
        upper: Values above the quantile 1 − p: ``[D]``.
        band: Counts between which 95% of right models with independent rows stay:
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
        data: Held-out rows ``[N, D]``.
        samples: Rows drawn from the model ``[M, D]``; at least 20 / p of them, so that
            the quantile is known to a quarter of its tail.
        probability: p, between 0 and ½.

    Returns:
        The counts, and what is expected.

    Raises:
        ValueError: Another p, other columns, or too few samples.

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
        data: Held-out values ``[N]``.
        samples: Values drawn from the model ``[M]``.
        count: Probabilities of each side, even in their logarithm from 1/N to 0.2.

    Returns:
        Probabilities of both sides, data's quantiles, the model's: three of
        ``[2·count]``, in ascending order.
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
    k = np.arange(count + 1)
    log_choose = np.array(
        [math.lgamma(count + 1) - math.lgamma(i + 1) - math.lgamma(count - i + 1)
         for i in k]
    )  # fmt: skip
    log_mass = log_choose + k * math.log(probability)
    log_mass += (count - k) * math.log1p(-probability)
    cumulative = np.cumsum(np.exp(log_mass))
    low, high = np.searchsorted(cumulative, [0.025, 0.975])
    return int(low), int(high)
