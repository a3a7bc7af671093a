"""Numbers that a model cannot hold: missing, masked, or outside of its dtype."""

from collections.abc import Callable, Iterator

import numpy as np

from tfp_flows.screening.rows import Rows
from tfp_flows.screening.words import Argument, DataError

__all__ = ["check_unmasked", "finite_rows", "not_finite", "too_fine", "too_large"]

# Largest rounding step of the dtype within a column, in its standard deviations.
_COARSEST_STEP = 1e-2

# What standardizing and squaring add to the range of numbers, and take from it.
_ROOM = 100.0

Words = tuple[str | Argument, ...]


def check_unmasked(values: object, what: str) -> None:
    """Refuses masked entries: what is below a mask is no datum.

    Raises:
        DataError: `values` is a masked array and some of it is masked.
    """
    if np.ma.is_masked(values):
        count = int(np.ma.count_masked(values))
        raise DataError(
            f"{what} has {count:,} masked entries, whose numbers would be read as "
            "data: fill them, or leave their rows out"
        )


def finite_rows(values: np.ndarray) -> np.ndarray:
    """Returns which rows hold only finite numbers, [N]."""
    if values.dtype.kind != "f":
        return np.ones(len(values), bool)
    return np.isfinite(values).reshape(len(values), -1).all(axis=1)


def not_finite(rows: Rows, last: str = "") -> Words | None:
    """Returns the words for rows with NaN or an infinity, naming the first.

    Args:
        rows: what to look at.
        last: what to add where the first of them is the last row of all.
    """
    mask = np.logical_and.reduce([finite_rows(block) for block in rows.blocks])
    if mask.all():
        return None
    row = int(np.argmin(mask))
    numbers = np.concatenate([block[row] for block in rows.blocks])
    column = rows.names[int(np.argmin(np.isfinite(numbers)))]
    count = int(len(mask) - mask.sum())
    return (
        f"{count:,} of {len(mask):,} rows hold NaN or an infinity, first in row "
        f"{row + 1}, column {column!r}, counting rows from 1"
        + (last if row == len(mask) - 1 else "")
        + ": leave them out with ",
        Argument("drop_invalid", True),
    )


def too_large(rows: Rows) -> Iterator[Words]:
    """Yields the words for each column beyond the range of the dtype."""
    limit = float(np.finfo(rows.dtype).max) / _ROOM
    for name, _, largest in _suspects(rows, lambda largest, _: largest > limit):
        yield (
            f"column {name!r} reaches {largest:.3g}, beyond the range of {rows.dtype}: "
            "divide it by a constant",
        )


def too_fine(rows: Rows) -> Iterator[Words]:
    """Yields the words for each column whose variation the dtype loses."""
    limits, spread = np.finfo(rows.dtype), np.sqrt(2.0 * len(rows.values))
    smallest, step = float(limits.tiny) * _ROOM, float(limits.eps) / _COARSEST_STEP

    def may_be(largest: np.ndarray, span: np.ndarray) -> np.ndarray:
        # The deviation is at least that of two rows apart and all others between.
        coarse = span / spread < 2.0 * step * largest
        return (span > 0) & (coarse | (largest < smallest))

    for name, column, largest in _suspects(rows, may_be):
        if largest < smallest:
            yield (
                f"column {name!r} reaches no more than {largest:.3g}, below the range "
                f"of {rows.dtype}: multiply it by a constant",
            )
        elif np.std(column, dtype="float64") * _COARSEST_STEP < np.spacing(
            np.asarray(largest, rows.dtype)
        ):
            yield (
                f"column {name!r} varies by less than {rows.dtype} resolves near its "
                "mean: subtract a constant from it",
            )


def _suspects(
    rows: Rows, chosen: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> Iterator[tuple[str, np.ndarray, float]]:
    """Names, numbers and largest size of columns, chosen by size and span."""
    first = 0
    for block in rows.blocks:
        high, low = (
            np.asarray(bound(axis=0), "float64") for bound in (block.max, block.min)
        )
        largest = np.maximum(high, -low)
        for index in np.flatnonzero(chosen(largest, high - low)):
            yield rows.names[first + index], block[:, index], float(largest[index])
        first += block.shape[1]
