"""A bounded number of rows, drawn at random from those that are read."""

import dataclasses
import os
from collections.abc import Iterable

import numpy as np

from tfp_flows.screening import finite_rows

__all__ = ["Drawn", "draw_rows", "rows_that_fit"]

# Bytes a number takes while a table is checked, trained on and reported: copies of it
# in two precisions, and what the checks compute.
_BYTES_A_NUMBER = 64


@dataclasses.dataclass(frozen=True)
class Drawn:
    """Rows that were kept.

    Attributes:
        rows: [n, C], in the order in which they were read.
        places: [n], place of each row among all that were read, from 0.
        num_rows: of all that were read.
        num_invalid: of these, those that hold NaN or an infinity.
    """

    rows: np.ndarray
    places: np.ndarray
    num_rows: int
    num_invalid: int

    @property
    def is_whole(self) -> bool:
        """Whether every row was kept."""
        return len(self.rows) == self.num_rows


def draw_rows(batches: Iterable[np.ndarray], most: int | None) -> Drawn:
    """Returns rows of batches [n, C], all of them or `most`, each equally likely.

    The same rows each time. In memory are never many more than are kept.
    """
    rng = np.random.default_rng(0)
    kept: list[tuple[np.ndarray, ...]] = []
    num_rows = num_invalid = 0
    for batch in batches:
        places = np.arange(num_rows, num_rows + len(batch))
        kept.append((rng.random(len(batch)), places, batch))
        num_rows += len(batch)
        num_invalid += len(batch) - int(finite_rows(batch).sum())
        if most is not None and sum(len(part[0]) for part in kept) > 2 * most:
            kept = [_least(kept, most)]
    _, places, rows = _least(kept, most)
    return Drawn(rows, places, num_rows, num_invalid)


def _least(
    parts: list[tuple[np.ndarray, ...]], most: int | None
) -> tuple[np.ndarray, ...]:
    """Those whose random number is among the `most` smallest, in order."""
    joined = tuple(np.concatenate(part) for part in zip(*parts, strict=True))
    if most is None or len(joined[0]) <= most:
        return joined
    chosen = np.sort(np.argpartition(joined[0], most)[:most])
    return tuple(part[chosen] for part in joined)


def rows_that_fit(num_columns: int) -> int:
    """Returns how many rows of so many columns a half of the memory works on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return memory // 2 // (_BYTES_A_NUMBER * num_columns)
