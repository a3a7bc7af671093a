"""Columns of text to condition on: each as columns of zeros and ones."""

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np

from tfp_flows.data.errors import Argument, DataError, listing

__all__ = ["Categories", "Category", "expand"]

Category = tuple[str, tuple[str, ...]]
"""Name of a column, and its texts in order; the first is that of zeros alone."""

_MOST = 50


@dataclasses.dataclass
class Categories:
    """Texts as numbers, 0, 1, …; those of a fit are learned, later ones known.

    Attributes:
        where: path or name, for messages.
        texts: name of a column → its texts.
        known: whether any other text is refused.
    """

    where: str
    texts: dict[str, list[str]]
    known: bool = False

    def encode(self, name: str, start: int, cells: Iterable) -> np.ndarray:
        """Returns the numbers of the cells of a column, NaN for a missing one.

        Args:
            name: of the column.
            start: row of the first cell, from 1.
            cells: texts; None or NaN where there is none.

        Raises:
            DataError: a text that was not there when the model was fitted.
        """
        texts = self.texts[name]
        place = {text: number for number, text in enumerate(texts)}
        codes = []
        for row, cell in enumerate(cells, start):
            if cell is not None and cell == cell and cell not in place:
                if self.known:
                    raise DataError(
                        f"{self.where}: column {name!r} holds {cell!r} in row {row}, "
                        "which was in no row that the model was fitted to "
                        f"({listing(texts)}): mend the cell or leave the row out"
                    )
                place[cell] = len(texts)
                texts.append(cell)
            codes.append(place.get(cell, np.nan))
        return np.array(codes, "float64")

    def in_order(self) -> tuple[Category, ...]:
        """Returns the columns with their texts sorted.

        Raises:
            DataError: a column of more than 50 texts, or of a single one.
        """
        for name, texts in self.texts.items():
            if not 1 < len(texts) <= _MOST:
                found = f"{len(texts):,} different texts" if texts[1:] else "one text"
                raise DataError(
                    f"{self.where}: column {name!r} holds {found}, expected 2 to "
                    f"{_MOST} to predict from: leave it out with ",
                    Argument("exclude", [name]),
                )
        return tuple((name, tuple(sorted(texts))) for name, texts in self.texts.items())


def expand(
    rows: np.ndarray,
    names: Sequence[str],
    categories: Sequence[Category],
    numbered: dict[str, list[str]],
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Returns rows with a column `name=text` for each text but the first, and names.

    Args:
        rows: [N, len(names)], numbers of texts where a name is of a category.
        names: of the columns.
        categories: with their texts in order.
        numbered: name → texts in the order of the numbers.
    """
    if not categories:
        return rows, tuple(names)
    known = dict(categories)
    columns, expanded = [], []
    for column, name in zip(rows.T, names, strict=True):
        if name not in known:
            columns.append(column)
            expanded.append(name)
            continue
        for text in known[name][1:]:
            chosen = (column == numbered[name].index(text)).astype("float64")
            columns.append(np.where(np.isnan(column), np.nan, chosen))
            expanded.append(f"{name}={text}")
    return np.column_stack(columns), tuple(expanded)
