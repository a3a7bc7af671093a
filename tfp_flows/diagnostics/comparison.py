"""Held-out scores of several densities side by side, and what they say in words.

All densities score the same rows, so a difference has the standard error of the
differences row by row, which is usually far below that of either mean.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from tfp_flows.diagnostics.yardsticks import mean_and_standard_error

__all__ = ["Result", "advantage", "compare_scores", "explanation", "headline"]

CERTAIN = 2.0
SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


class Result(NamedTuple):
    """One density's mean held-out log-density, in nats per row.

    Attributes:
        name: for instance "flow" or "Gaussian mixture".
        nats: the mean; more is better.
        standard_error: of the mean.
        bits_per_dim: −nats / (D·log 2), for pixels in integer levels.
        advantage: the first density's mean minus this one's, None for the first.
        advantage_error: its standard error over the same rows.
    """

    name: str
    nats: float
    standard_error: float
    bits_per_dim: float | None = None
    advantage: float | None = None
    advantage_error: float | None = None


def compare_scores(
    scores: Mapping[str, np.ndarray],
    *,
    dimensions: int | None = None,
    weights: np.ndarray | None = None,
) -> tuple[Result, ...]:
    """Returns one result a density, in the order given.

    Args:
        scores: log-densities [N] of the same held-out rows by name; the
            model first, then its yardsticks.
        dimensions: D, for bits per dimension of images in integer levels.
        weights: [N], how much each row counts; None for all alike.

    Returns:
        The results; those after the first say how far the first is ahead.

    Raises:
        ValueError: scores of different rows.

    Example:
        >>> scores = {"flow": np.array([1.0, 2.0]), "Gaussian": np.array([0.0, 1.0])}
        >>> compare_scores(scores)[1].advantage
        1.0
    """
    lengths = {name: np.shape(values) for name, values in scores.items()}
    if len(set(lengths.values())) != 1:
        raise ValueError(
            f"Expected scores of the same rows, received shapes {lengths}. "
            "Score the same held-out rows with every density."
        )
    first = np.asarray(next(iter(scores.values())), dtype=np.float64)
    results: list[Result] = []
    for name, values in scores.items():
        nats, error = mean_and_standard_error(values, weights)
        bits = None if dimensions is None else -nats / (dimensions * math.log(2))
        ahead = mean_and_standard_error(first - values, weights) if results else ()
        results.append(Result(name, nats, error, bits, *ahead))
    return tuple(results)


def advantage(model: Result, other: Result) -> tuple[float, float]:
    """Returns how many nats the model is ahead of the other, with the error."""
    if other.advantage is not None and other.advantage_error is not None:
        return other.advantage, other.advantage_error
    error = math.hypot(model.standard_error, other.standard_error)
    return model.nats - other.nats, error


def headline(results: Sequence[Result]) -> str:
    """Returns one sentence: how the first density compares with the best other.

    Args:
        results: of `compare_scores`; without advantages they are worked out as if
            the means were independent.
    """
    model, *others = results
    if not math.isfinite(model.nats):
        return f"The {model.name} gives some held-out rows no finite density."
    finite = [other for other in others if math.isfinite(other.nats)]
    if not finite:
        return (
            f"The {model.name} gives held-out rows {model.nats:.2f} ± "
            f"{model.standard_error:.2f} nats per row."
        )
    best = max(finite, key=lambda other: other.nats)
    ahead, error = advantage(model, best)
    size = f"{abs(ahead):.2f} ± {error:.2f} nats"
    if abs(ahead) <= CERTAIN * error:
        return (
            f"The {model.name} explains held-out rows about as well as the "
            f"{best.name}: the difference is {size} per row."
        )
    word = "better" if ahead > 0 else "worse"
    return (
        f"The {model.name} explains held-out rows {size} {word} per row "
        f"than the {best.name}."
    )


def explanation(results: Sequence[Result], remedy: str = "") -> str:
    """Returns a second sentence: what the difference means, or what to do about it.

    Args:
        results: as for `headline`.
        remedy: said where the first density is not ahead.
    """
    model, *others = results
    finite = [other for other in others if math.isfinite(other.nats)]
    if not finite or not math.isfinite(model.nats):
        return "Nats are natural logarithms of the density; more is better."
    best = max(finite, key=lambda other: other.nats)
    ahead, error = advantage(model, best)
    if ahead <= CERTAIN * error:
        return f"On these rows the simpler density is as good or better. {remedy}"
    factor = f"{math.exp(min(ahead, 7)):.3g}"
    if ahead > math.log(1000):
        factor = "10" + f"{ahead / math.log(10):.0f}".translate(SUPERSCRIPTS)
    return f"A typical held-out row gets {factor} times the density."
