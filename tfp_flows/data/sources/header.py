"""Whether a first line that could be a row of numbers holds names instead."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["could_be_row", "is_header"]

# Share of rows, or cells, like the first line at which it is no longer unlike them.
_RARE = 0.01

# Rows below that are enough to say what rows are like.
_FEW = 5

_NO_NUMBER = frozenset({"", "NA", "N/A", "NaN", "nan", "NULL", "null"})

Rows = Sequence[Sequence[str]]


def could_be_row(
    first: Sequence[str], rows: Rows, decimal: str, missing: Sequence[str]
) -> bool:
    """Whether the first line is like the rows below: numbers, and text above text."""
    cells = _numbers([first], len(first), decimal, missing)[0]
    text = [i for i, cell in enumerate(first) if _is_text(cell, decimal, missing)]
    below = _numbers(rows, len(first), decimal, missing)
    return bool(np.isfinite(cells).any()) and not np.isfinite(below[:, text]).any()


def is_header(
    first: Sequence[str], rows: Rows, decimal: str, missing: Sequence[str]
) -> bool:
    """Whether the numbers of a first line are names of columns.

    They are where they count from zero as no row below does; where they rise from
    column to column and rows do not, or no other cell is a whole number; or where each
    lies far outside its column.

    Args:
        first: cells of the first line.
        rows: cells of the lines below.
        decimal: decimal mark of the file.
        missing: cells that hold no number.
    """
    numbers = _numbers([first], len(first), decimal, missing)[0]
    below = _numbers(rows, len(first), decimal, missing)
    numeric = np.isfinite(numbers) & np.isfinite(below).any(axis=0)
    names, below = numbers[numeric], below[:, numeric]
    if len(set(first)) < len(first) or not numeric.any() or len(below) < _FEW:
        return False
    size = len(names)
    if size > 1 and (names == np.arange(size)).all():
        return _share((below == names).all(axis=1)) <= _RARE
    if (np.diff(names) > 0).all():
        rising = _share((np.diff(below) > 0).all(axis=1)) if size > 1 else 1.0
        if max(rising, 1 / math.factorial(min(size, 9))) <= _RARE:
            return True
        whole = [cell.strip().isdigit() for cell in np.array(first)[numeric]]
        if all(whole) and _share(below == np.rint(below)) <= _RARE:
            return True
    low, high = np.nanmin(below, axis=0), np.nanmax(below, axis=0)
    far = (names < 2 * low - high) | (names > 2 * high - low)
    return size > 1 and bool(far.all())


def _share(mask: Any) -> float:
    return float(np.mean(mask))


def _numbers(
    rows: Rows, width: int, decimal: str, missing: Sequence[str]
) -> np.ndarray:
    """Cells as numbers, [N, width]; NaN for what is none."""
    numbers = np.full([len(rows), width], np.nan)
    for i, row in enumerate(rows):
        for j, cell in enumerate(row[:width]):
            number = _number(cell, decimal)
            if number is not None and cell not in missing:
                numbers[i, j] = number
    return numbers


def _number(cell: str, decimal: str) -> float | None:
    # Python reads 1_000 as a number, and no table writes it so.
    if "_" in cell:
        return None
    try:
        return float(cell.replace(decimal, "."))
    except ValueError:
        return None


def _is_text(cell: str, decimal: str, missing: Sequence[str]) -> bool:
    known = cell.strip() in _NO_NUMBER or cell in missing
    return not known and _number(cell, decimal) is None
