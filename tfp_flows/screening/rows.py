"""Rows of numbers with names, and which of them are equal."""

import dataclasses
from collections.abc import Iterator

import numpy as np

__all__ = ["Rows", "row_keys", "some", "take_distinct"]

# Enough to suspect what holds in every row; a suspicion is checked on all rows.
_SOME = 20_000

_BLOCK = 4_096
_ODD = np.uint64(0x9E3779B97F4A7C15)


@dataclasses.dataclass(frozen=True)
class Rows:
    """What is screened.

    Attributes:
        name: what messages call it.
        values: [N, D].
        columns: D names.
        context: [N, C], or None.
        context_columns: C names.
        gridded: [D], which columns the model dequantizes; None: none.
        dtype: what a model computes in.
        places: [N], where rows are among those they were drawn from; None: all rows.
    """

    name: str
    values: np.ndarray
    columns: tuple[str, ...]
    context: np.ndarray | None = None
    context_columns: tuple[str, ...] = ()
    gridded: np.ndarray | None = None
    dtype: str = "float32"
    places: np.ndarray | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that are modeled, then those conditioned on."""
        return (*self.columns, *self.context_columns)

    @property
    def blocks(self) -> list[np.ndarray]:
        """The values and, where there is one, the context."""
        return [self.values] if self.context is None else [self.values, self.context]

    def continuous(self) -> "Rows":
        """The rows without the columns that the model dequantizes."""
        if self.gridded is None or not self.gridded.any():
            return self
        kept = np.flatnonzero(~self.gridded)
        names = tuple(self.columns[i] for i in kept)
        return dataclasses.replace(
            self, values=self.values[:, kept], columns=names, gridded=None
        )

    def some(self) -> "Rows":
        """At most 20,000 of the rows, the same ones each time, in float64."""
        context = None if self.context is None else some(self.context)
        return dataclasses.replace(
            self, values=some(self.values), context=context, places=None
        )


def some(values: np.ndarray, limit: int = _SOME) -> np.ndarray:
    """Returns at most `limit` of the rows, the same ones each time, in float64."""
    if len(values) > limit:
        chosen = np.random.default_rng(0).choice(len(values), limit, replace=False)
        values = values[np.sort(chosen)]
    return np.asarray(values, "float64")


def row_keys(values: np.ndarray, context: np.ndarray | None = None) -> np.ndarray:
    """Returns 64 bits a row, [N], the same for equal rows and for no others.

    Two of a million rows that differ have one key with a probability of 3e-8.

    Args:
        values: [N, ...].
        context: [N, ...], or None.
    """
    keys = np.zeros(len(values), "uint64")
    parts = [p.reshape(len(p), -1) for p in (values, context) if p is not None]
    # In blocks that fit into a processor's cache.
    for start in range(0, len(keys), _BLOCK):
        block = slice(start, start + _BLOCK)
        key = keys[block]
        for column in _columns([part[block] for part in parts]):
            # Numbers with few digits differ in their upper bits only.
            key ^= column ^ (column >> np.uint64(32))
            key *= _ODD
            key ^= key >> np.uint64(29)
    return keys


def _columns(parts: list[np.ndarray]) -> Iterator[np.ndarray]:
    for part in parts:
        # Zero has a sign, which is no difference.
        yield from (np.asarray(part, "float64").T + 0.0).view("uint64")


def take_distinct(values: np.ndarray, context: np.ndarray | None = None) -> np.ndarray:
    """Returns the index of the first of each set of equal rows, in order."""
    return np.sort(np.unique(row_keys(values, context), return_index=True)[1])
