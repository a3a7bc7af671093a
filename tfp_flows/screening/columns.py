"""Columns that others determine, so that a density is infinite."""

import dataclasses

import numpy as np

from tfp_flows.screening.rows import Rows

__all__ = ["constant", "copied", "counting", "dependent"]

# Correlations are computed in float64: copies of a column agree to about 1e-15.
_COPY_TOLERANCE = 1e-12

# Median distances from the median, beyond which one row decides a correlation.
_FAR = 1e5

# Smallest eigenvalue of the correlation matrix below which a column is a linear
# function of others: float64 rounding alone gives about 1e-16 times D.
_DEPENDENT_EIGENVALUE = 1e-12


def constant(values: np.ndarray) -> np.ndarray:
    """Returns which columns have one value in every row, [D]."""
    return values.min(axis=0) == values.max(axis=0)


def copied(rows: Rows) -> list[tuple[str, str]]:
    """Returns pairs of columns that are equal up to shift and scale.

    The first of a pair is modeled; the second may be a context column.
    """
    everything = rows.some()
    sample = np.hstack(_central(everything).blocks)
    varying = np.flatnonzero(~constant(sample))
    if len(varying) < 2 or len(sample) < 3:
        return []
    pairs = [
        (int(varying[i]), int(varying[j]))
        for i, j in np.argwhere(np.triu(_correlated(sample[:, varying]), k=1))
        if varying[i] < len(rows.columns)
    ]
    if len(everything.values) < len(rows.values):
        pairs = [
            pair
            for pair in pairs
            if _correlated(np.column_stack([_column(rows, i) for i in pair]))[0, 1]
        ]
    return [(rows.names[i], rows.names[j]) for i, j in pairs]


def _central(rows: Rows) -> Rows:
    """The rows that do not outweigh all others in a correlation."""
    kept = np.ones(len(rows.values), bool)
    for block in rows.blocks:
        distance = np.abs(block - np.median(block, axis=0))
        spread = np.median(distance, axis=0)
        kept &= ((distance <= _FAR * spread) | (spread == 0.0)).all(axis=1)
    context = None if rows.context is None else rows.context[kept]
    return dataclasses.replace(rows, values=rows.values[kept], context=context)


def _correlated(values: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):  # Overflow is refused by name.
        return np.abs(np.corrcoef(values, rowvar=False)) > 1.0 - _COPY_TOLERANCE


def _column(rows: Rows, index: int) -> np.ndarray:
    size = len(rows.columns)
    if rows.context is not None and index >= size:
        return np.asarray(rows.context[:, index - size], "float64")
    return np.asarray(rows.values[:, index], "float64")


def dependent(rows: Rows) -> tuple[str, list[str]] | None:
    """Returns a column that is a linear function of others, and these.

    Context columns may depend on each other, but may not determine modeled ones: what
    is left of these after regression on the context must vary in every direction.
    """
    everything = rows.some()
    chosen = _central(everything)
    names = (*rows.context_columns, *rows.columns)
    if not rows.columns or len(chosen.values) <= len(names):
        return None
    values = _standardized(chosen.values)
    context = np.empty((len(values), 0))
    if chosen.context is not None:
        context = _standardized(chosen.context)
    slopes = np.linalg.lstsq(context, values, rcond=None)[0]
    rest = values - context @ slopes
    eigenvalues, vectors = np.linalg.eigh(rest.T @ rest / len(values))
    if eigenvalues[0] >= _DEPENDENT_EIGENVALUE:
        return None
    direction = np.concatenate([-slopes @ vectors[:, 0], vectors[:, 0]])
    if len(everything.values) < len(rows.values) and not _holds(
        rows, chosen, direction
    ):
        return None
    weights = np.abs(direction)
    involved = [names[i] for i in np.flatnonzero(weights > 1e-3)[:9]]
    # A context column is the first to go: the rest may have a density then.
    name = involved[0]
    if name not in rows.context_columns:
        name = names[int(np.argmax(weights))]
    return name, [other for other in involved if other != name]


def _standardized(values: np.ndarray) -> np.ndarray:
    scale = values.std(axis=0)
    return (values - values.mean(axis=0)) / np.where(scale > 0, scale, 1.0)


def _holds(rows: Rows, chosen: Rows, direction: np.ndarray) -> bool:
    """Whether all rows, as some do, have no variance in a direction."""
    total = np.zeros(len(rows.values))
    blocks = zip(reversed(rows.blocks), reversed(chosen.blocks), strict=True)
    weights = iter(direction)
    for block, sample in blocks:
        scale = np.where(sample.std(axis=0) > 0, sample.std(axis=0), 1.0)
        own = np.array([next(weights) for _ in scale]) / scale
        total += (block - sample.mean(axis=0)) @ own
    return bool(total.var() < _DEPENDENT_EIGENVALUE)


def counting(values: np.ndarray, places: np.ndarray | None = None) -> np.ndarray:
    """Returns which columns rise or fall by one step from row to row, [D].

    Args:
        values: [N, D].
        places: [N], where the rows are among those they were drawn from.
    """
    if len(values) < 3:
        return np.zeros(values.shape[1], bool)
    apart = np.diff(np.arange(len(values)) if places is None else places)
    first = np.asarray(values[:1_000], "float64")
    found = _even(first, apart)
    for index in np.flatnonzero(found):
        found[index] = _even(np.asarray(values[:, [index]], "float64"), apart)[0]
    return found


def _even(values: np.ndarray, apart: np.ndarray) -> np.ndarray:
    # The tolerance lets a rounded counter such as 0.1, 0.2, 0.3, ... be found too.
    steps = np.diff(values, axis=0) / apart[: len(values) - 1, np.newaxis]
    tolerance = 1e-9 * np.abs(values).max(axis=0)
    return (np.abs(steps - steps[0]).max(axis=0) <= tolerance) & (steps[0] != 0.0)
