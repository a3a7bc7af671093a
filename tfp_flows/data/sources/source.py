"""What every source offers: named columns, and their rows a batch at a time."""

import contextlib
import dataclasses
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from tfp_flows.data.errors import Argument, DataError

__all__ = ["Source", "not_numeric", "refused", "slices"]


@dataclasses.dataclass(frozen=True)
class Source:
    """Rows of named columns, which can be read more than once.

    Attributes:
        where: path or name, for messages.
        columns: names of the columns that are modeled when nothing is chosen.
        read: (names, size) → batches of up to `size` rows, [n, len(names)] float64.
        context_columns: names of further columns, on offer to be conditioned on.
        conditions: whether these are conditioned on when nothing is chosen.
        has_names: whether the names are the source's own; those of an array are not.
        image_shape: (H, W, C) when `columns` are pixels.
        levels: number of gray levels `0, ..., levels - 1` of an image.
        partition: [N] of 0 (train), 1 (validation), 2 (test) where the set fixes its
            own split.

    Raises:
        DataError: no columns, or two of one name.
    """

    where: str
    columns: tuple[str, ...]
    read: Callable[[Sequence[str], int], Iterator[np.ndarray]]
    context_columns: tuple[str, ...] = ()
    conditions: bool = False
    has_names: bool = True
    image_shape: tuple[int, int, int] | None = None
    levels: int | None = None
    partition: np.ndarray | None = None

    def __post_init__(self) -> None:
        if not self.names:
            raise DataError(f"{self.where}: the file has no columns: give another file")
        for name in self.names:
            if self.names.count(name) > 1:
                raise DataError(
                    f"{self.where}: two columns are named {name!r}: rename one in the "
                    "file"
                )

    @property
    def name(self) -> str:
        """Short name, for headings."""
        return pathlib.Path(self.where).stem

    @property
    def names(self) -> tuple[str, ...]:
        """Every column's name."""
        return (*self.columns, *self.context_columns)

    def batches(
        self, columns: Sequence[str], context: Sequence[str], size: int
    ) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
        """Yields float64 values [n, D] and context [n, C] of named columns, n ≤ size.

        Without names of context columns there is None in its place.
        """
        width, empty = len(columns), True
        for rows in self.read((*columns, *context), size):
            empty = False
            yield rows[:, :width], rows[:, width:] if context else None
        if empty:
            raise DataError(
                f"{self.where}: the file has columns but no rows: give another file"
            )


def slices(
    blocks: Sequence[np.ndarray], known: Sequence[str], names: Sequence[str], size: int
) -> Iterator[np.ndarray]:
    """Yields the named columns of arrays [N, ...] that lie side by side."""
    indices = [known.index(name) for name in names]
    for start in range(0, len(blocks[0]), size):
        rows = np.hstack([block[start : start + size] for block in blocks])
        yield rows[:, indices].astype("float64")


def not_numeric(where: object, name: str, row: int, value: Any) -> DataError:
    """Returns the error for a column that holds another value than a number."""
    return DataError(
        f"{where}: column {name!r} is not numeric (row {row}: {str(value)[:40]!r}): "
        "mend the cell, or leave the column out with ",
        Argument("exclude", [name]),
    )


@contextlib.contextmanager
def refused(
    where: object, what: str, remedy: str, *errors: type[Exception]
) -> Iterator[None]:
    """Turns the errors of a reader into one line: what the file is not, and why."""
    try:
        yield
    except DataError:
        raise
    except errors as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{where}: not {what} ({reason}): {remedy}") from error
