"""What every source offers: named columns, and their rows a batch at a time."""

import collections
import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from tfp_flows.data.errors import Argument, DataError
from tfp_flows.data.table import Schema

__all__ = ["Source", "not_numeric", "refused", "slices"]


@dataclasses.dataclass(frozen=True)
class Source:
    """Rows of named columns, which can be read more than once.

    Attributes:
        where: path or name, for messages.
        schema: what one row holds; its context columns are on offer.
        read: (names, size) → batches of up to `size` rows, [n, len(names)] float64.
        conditions: whether the context is conditioned on when nothing is chosen.
        has_names: whether the names are the source's own; those of an array are not.
        partition: [N] of 0 (train), 1 (validation), 2 (test) where the set fixes its
            own split.

    Raises:
        DataError: no columns, or two of one name.
    """

    where: str
    schema: Schema
    read: Callable[[Sequence[str], int], Iterator[np.ndarray]]
    conditions: bool = False
    has_names: bool = True
    partition: np.ndarray | None = None

    def __post_init__(self) -> None:
        names = self.schema.names
        if not names:
            raise DataError(f"{self.where}: the file has no columns: give another file")
        name, count = collections.Counter(names).most_common(1)[0]
        if count > 1:
            raise DataError(
                f"{self.where}: two columns are named {name!r}: rename one in the file"
            )

    def batches(
        self, schema: Schema, size: int
    ) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
        """Yields values [n, D] and context [n, C] of a schema's columns, n ≤ size.

        Both are float64; without context columns there is None.
        """
        width, empty = len(schema.columns), True
        for rows in self.read(schema.names, size):
            empty = False
            yield rows[:, :width], rows[:, width:] if schema.context_columns else None
        if empty:
            raise DataError(
                f"{self.where}: the file has columns but no rows: give another file"
            )


def slices(
    blocks: Sequence[np.ndarray], known: Sequence[str], names: Sequence[str], size: int
) -> Iterator[np.ndarray]:
    """Yields the named columns of arrays [N, ...] that lie side by side."""
    place = {name: index for index, name in enumerate(known)}
    indices = [place[name] for name in names]
    for start in range(0, len(blocks[0]), size):
        rows = np.hstack([block[start : start + size] for block in blocks])
        yield rows[:, indices].astype("float64")


def not_numeric(where: object, name: str, row: int, value: Any) -> DataError:
    """Returns the error for a column that holds another value than a number."""
    return DataError(
        f"{where}: column {name!r} is not numeric (row {row}: {str(value)[:40]!r}): "
        "mend the cell",
        Argument("exclude", [name], lead=", or leave the column out with "),
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
