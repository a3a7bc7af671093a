"""A bounded number of rows, drawn at random from those that are read."""

import dataclasses
import os
import pathlib
from collections.abc import Iterable

import numpy as np

from tfp_flows.screening import finite_rows, row_keys

__all__ = ["Drawn", "draw_rows", "rows_at_a_time", "rows_that_fit"]

# Bytes a number takes while a table is checked, trained on and reported: copies of it
# in two precisions, and what the checks compute.
_BYTES_A_NUMBER = 64
_LIMITS = pathlib.Path("/sys/fs/cgroup/memory.max")

_MOST_NUMBERS, _MOST_ROWS = 2**24, 65_536


@dataclasses.dataclass(frozen=True)
class Drawn:
    """Rows that were kept.

    Attributes:
        rows: [n, C], in the order in which they were read.
        places: [n], place of each row among all that were read, from 0.
        num_rows: of all that were read.
        num_invalid: of these, those that hold NaN or an infinity.
        checksum: of all that were read, whatever their order.
    """

    rows: np.ndarray
    places: np.ndarray
    num_rows: int
    num_invalid: int
    checksum: int

    @property
    def is_whole(self) -> bool:
        """Whether every row was kept."""
        return len(self.rows) == self.num_rows


def draw_rows(batches: Iterable[np.ndarray], most: int | None) -> Drawn:
    """Returns rows of batches [n, C], all of them or `most`, each equally likely.

    The same rows each time. In memory are at most twice as many and one batch.
    """
    rng = np.random.default_rng(0)
    kept: list[tuple[np.ndarray, ...]] = []
    num_rows = num_invalid = checksum = 0
    for batch in batches:
        places = np.arange(num_rows, num_rows + len(batch))
        kept.append((rng.random(len(batch)), places, batch))
        num_rows += len(batch)
        if most is not None:
            num_invalid += len(batch) - int(finite_rows(batch).sum())
            checksum = (checksum + int(row_keys(batch).sum())) % 2**64
            if sum(len(part[0]) for part in kept) > 2 * most:
                kept = [_least(kept, most)]
    _, places, rows = _least(kept, most)
    return Drawn(rows, places, num_rows, num_invalid, checksum)


def _least(
    parts: list[tuple[np.ndarray, ...]], most: int | None
) -> tuple[np.ndarray, ...]:
    """Those whose random number is among the `most` smallest, in order."""
    joined = tuple(np.concatenate(part) for part in zip(*parts, strict=True))
    if most is None or len(joined[0]) <= most:
        return joined
    chosen = np.sort(np.argpartition(joined[0], most)[:most])
    return tuple(part[chosen] for part in joined)


def rows_at_a_time(num_columns: int) -> int:
    """Returns how many rows of so many columns are read at once."""
    return max(1, min(_MOST_ROWS, _MOST_NUMBERS // num_columns))


def rows_that_fit(num_columns: int, share: float) -> int:
    """Returns how many rows of so many columns a share of the memory works on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if _LIMITS.exists() and (limit := _LIMITS.read_text().strip()).isdigit():
        memory = min(memory, int(limit))
    return int(share * memory) // (_BYTES_A_NUMBER * num_columns)
