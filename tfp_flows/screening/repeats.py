"""Columns in which values repeat: whole numbers, grids, spikes."""

import dataclasses
from typing import Any

import numpy as np

from tfp_flows.screening.rows import some

__all__ = ["Spike", "discrete", "on_grid", "spikes", "whole"]

# Share of the rows that one value may have in measurements that are merely rounded,
# and the fewest rows in which it counts as repeated.
_SPIKE_SHARE = 0.02
_FEWEST_REPEATS = 10

# Rows in which values are counted: a share of 2 % is known to 0.2 %.
_COUNTED = 5_000

# A column looks discrete when it has fewer distinct values than this fraction of its
# rows, or one value takes up more than this fraction of them.
_DISCRETE_FRACTION = 0.05

# Most values of a grid that is worth naming.
_MOST_VALUES = 1_000

# Of a step, by which numbers on its grid may miss it.
_OFF_GRID = 1e-6


@dataclasses.dataclass(frozen=True)
class Spike:
    """A value that holds a large share of a column's rows.

    Attributes:
        index: of the column.
        value: that repeats most.
        share: of the rows that have it.
        step: Δ if all values are multiples of it and few differ, else None.
    """

    index: int
    value: float
    share: float
    step: float | None

    def __str__(self) -> str:
        grid = f", on a grid of step {self.step:.6g}" if self.step else ""
        return f"{self.value:.6g} in {self.share:.1%} of the rows{grid}"


def whole(values: np.ndarray) -> np.ndarray:
    """Returns which columns hold only whole numbers, [D].

    Beyond 2^53 in float64, 2^24 in float32, every number is whole, and none tells.
    """
    if values.dtype.kind != "f":
        return np.ones(values.shape[1], bool)
    first = values[:1_000]
    found = (first == np.rint(first)).all(axis=0)
    largest = 2.0 ** (np.finfo(values.dtype).nmant + 1)
    for index in np.flatnonzero(found):
        column = values[:, index]
        is_whole = (column == np.rint(column)).all()
        found[index] = is_whole and np.abs(column).max() < largest
    return found


def spikes(values: np.ndarray) -> list[Spike]:
    """Returns the columns in which one value holds a large share of the rows."""
    found = []
    for index, column in enumerate(some(values, _COUNTED).T):
        distinct, counts = np.unique(column, return_counts=True)
        most = int(counts.argmax())
        if counts[most] < max(_SPIKE_SHARE * len(column), _FEWEST_REPEATS):
            continue
        full, value = values[:, index], values.dtype.type(distinct[most])
        share = float(np.mean(full == value))
        found.append(Spike(index, float(value), share, _step(full, distinct)))
    return found


def _step(column: np.ndarray, distinct: np.ndarray) -> float | None:
    """The grid that all values lie on, if those seen are few."""
    if not 1 < len(distinct) <= _MOST_VALUES:
        return None
    span = distinct[-1] - distinct[0]
    step = float(f"{span / np.rint(span / np.diff(distinct).min()):.9g}")
    return step if on_grid(np.asarray(column, "float64"), step).all() else None


def on_grid(values: np.ndarray, step: Any) -> np.ndarray:
    """Returns which values are multiples of a step, up to rounding."""
    multiples = values / step
    nearest = np.rint(multiples)
    return np.abs(multiples - nearest) <= _OFF_GRID * np.maximum(1.0, np.abs(nearest))


def discrete(values: np.ndarray) -> np.ndarray:
    """Returns which columns have few distinct or often repeated values, [D]."""
    return np.array(
        [_looks_discrete(column) for column in some(values, _COUNTED).T], bool
    )


def _looks_discrete(column: np.ndarray) -> bool:
    _, counts = np.unique(column, return_counts=True)
    threshold = max(_DISCRETE_FRACTION * len(column), 1.0)
    return len(counts) < threshold or bool(counts.max() > threshold)
