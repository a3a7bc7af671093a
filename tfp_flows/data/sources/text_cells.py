"""Cells that hold another value than a number, found in all columns at once."""

import dataclasses
from typing import Any

import numpy as np

from tfp_flows.data.categories import Categories
from tfp_flows.data.errors import Argument, DataError, listing

__all__ = ["TextCells"]

# Texts of one column that a person would declare missing, at the most.
_FEW_TEXTS = 3


@dataclasses.dataclass
class _Column:
    """Of one column: all cells, those of text, their values, and the first of them."""

    where: str
    row: int
    first: str
    cells: int = 0
    texts: int = 0
    values: set[str] = dataclasses.field(default_factory=set)

    @property
    def mostly_numeric(self) -> bool:
        return 2 * self.texts < self.cells and len(self.values) <= _FEW_TEXTS


class TextCells:
    """What a reader met that is no number, in the order of the columns.

    Args:
        where: path or name, for messages.
        categories: columns whose texts are read as numbers, and not noted.
    """

    def __init__(self, where: str, categories: Categories | None = None) -> None:
        self._where = where
        self.categories = categories or Categories(where, {})
        self._cells: dict[str, int] = {}
        self._columns: dict[str, _Column] = {}

    def enter(self, where: str) -> None:
        """Says which file the next cells are of."""
        self._where = self.categories.where = where

    def __bool__(self) -> bool:
        return bool(self._columns)

    def add(self, name: str, start: int, values: Any, is_text: np.ndarray) -> None:
        """Adds the cells of a column in one batch.

        Args:
            name: of the column.
            start: row of the first cell, from 1.
            values: the cells, [N].
            is_text: [N], which of them are no numbers.
        """
        self._cells[name] = self._cells.get(name, 0) + len(values)
        rows = np.flatnonzero(is_text)
        if not len(rows):
            return
        found = [str(values[row])[:40] for row in rows]
        if name not in self._columns:
            row = start + int(rows[0])
            self._columns[name] = _Column(self._where, row, found[0])
        column = self._columns[name]
        column.texts += len(rows)
        column.values |= set(found) if len(column.values) <= _FEW_TEXTS else set()

    @property
    def columns_of_text(self) -> list[str]:
        """Names of columns that are no numbers with a few cells to mend."""
        for name, column in self._columns.items():
            column.cells = self._cells[name]
        return [n for n, column in self._columns.items() if not column.mostly_numeric]

    def first(self) -> DataError:
        """Returns the error of a reader that goes no further."""
        name, column = next(iter(self._columns.items()))
        return DataError(
            f"{column.where}: column {name!r} is not numeric (row {column.row}: "
            f"{column.first!r}): mend the cell"
        )

    def all(self) -> DataError:
        """Returns the error that names every column, and one remedy for each kind."""
        for name, column in self._columns.items():
            column.cells = self._cells[name]
            if column.first.startswith("#"):
                return DataError(
                    f"{column.where}: row {column.row} is a comment "
                    f"({column.first!r}): take such lines out, as by grep -v '^#'"
                )
        few = {n: c for n, c in self._columns.items() if c.mostly_numeric}
        many = {n: c for n, c in self._columns.items() if not c.mostly_numeric}
        parts = [
            *([_excluded(many)] if many else []),
            *([_missing(few)] if few else []),
        ]
        between = ["; "] if len(parts) > 1 else []
        where = next(iter(self._columns.values())).where
        return DataError(f"{where}: ", *parts[0], *between, *sum(parts[1:], []))


def _excluded(columns: dict[str, _Column]) -> list[str | Argument]:
    examples = [f"{name}: {column.first!r}" for name, column in columns.items()]
    what = f"{len(columns)} columns are not numeric ({listing(examples)})"
    pronoun = "them"
    if len(columns) == 1:
        name, column = next(iter(columns.items()))
        what = f"column {name!r} is not numeric (row {column.row}: {column.first!r})"
        pronoun = "the column"
    remedy = Argument("exclude", list(columns))
    return [f"{what}: mend the cells, or leave {pronoun} out with ", remedy]


def _missing(columns: dict[str, _Column]) -> list[str | Argument]:
    counts = [
        f"{column.texts:,} of {column.cells:,} cells of {name!r} are "
        f"{', '.join(map(repr, sorted(column.values)))}"
        for name, column in columns.items()
    ]
    texts = sorted(set().union(*(column.values for column in columns.values())))
    remedy = Argument("missing", texts)
    return [f"{listing(counts)}: mend them, or declare them missing with ", remedy]
