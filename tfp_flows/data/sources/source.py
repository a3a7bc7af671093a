"""What every source offers: named columns, and their rows a batch at a time."""

import collections
import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from tfp_flows.data.categories import Categories
from tfp_flows.data.errors import DataError
from tfp_flows.data.sources.text_cells import TextCells
from tfp_flows.data.table import Schema

__all__ = ["Source", "refused", "slices"]


@dataclasses.dataclass(frozen=True)
class Source:
    """Rows of named columns, which can be read more than once.

    Attributes:
        where: path or name, for messages.
        schema: what one row holds; its context columns are on offer.
        read: (names, size, text) → batches of up to `size` rows, [n, len(names)]
            float64; `text` is told of cells that are no numbers.
        conditions: whether the context is conditioned on when nothing is chosen.
        has_names: whether the names are the source's own; those of an array are not.
        partition: [N] of 0 (train), 1 (validation), 2 (test) where the set fixes its
            own split.
        header: whether a first line that could be a row was taken for names; None
            where there is no such line.

    Raises:
        DataError: no columns, or two of one name.
    """

    where: str
    schema: Schema
    read: Callable[[Sequence[str], int, TextCells], Iterator[np.ndarray]]
    conditions: bool = False
    has_names: bool = True
    partition: np.ndarray | None = None
    header: bool | None = None

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
        self,
        names: Sequence[str],
        size: int,
        *,
        missing: Sequence[str] = (),
        whole: bool = False,
        categories: Categories | None = None,
    ) -> Iterator[np.ndarray]:
        """Yields the rows of the named columns, [n, len(names)] float64 with n ≤ size.

        Args:
            names: of the columns.
            size: rows of a batch.
            missing: numbers, as text, that stand for a missing one.
            whole: read on behind a cell that is no number, to name all such columns.
            categories: columns whose texts are read as numbers.
        """
        empty, text = True, TextCells(self.where, categories)
        codes = _numbers(missing)
        for rows in self.read(names, size, text):
            if text and not whole:
                raise text.first()
            empty = False
            numbers = [name not in text.categories.texts for name in names]
            rows[np.isin(rows, codes) & numbers] = np.nan
            yield rows
        if text:
            raise text.all()
        if empty:
            raise DataError(
                f"{self.where}: the file has columns but no rows: give another file"
            )

    def columns_of_text(self, names: Sequence[str], size: int) -> list[str]:
        """Returns which of the named columns hold texts, and not numbers with gaps."""
        text = TextCells(self.where)
        for _ in self.read(names, size, text):
            pass
        return text.columns_of_text


def _numbers(texts: Sequence[str]) -> list[float]:
    numbers = []
    for text in texts:
        with contextlib.suppress(ValueError):
            numbers.append(float(text))
    return numbers


def slices(
    blocks: Sequence[np.ndarray],
    known: Sequence[str],
    names: Sequence[str],
    size: int,
    text: TextCells,
) -> Iterator[np.ndarray]:
    """Yields the named columns of arrays [N, ...] that lie side by side."""
    del text  # Arrays hold numbers.
    place = {name: index for index, name in enumerate(known)}
    indices = [place[name] for name in names]
    for start in range(0, len(blocks[0]), size):
        rows = np.hstack([block[start : start + size] for block in blocks])
        yield rows[:, indices].astype("float64")


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
