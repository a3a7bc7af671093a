"""Refusing tables on which a density has no finite maximum or no meaning."""

from collections.abc import Iterable
from typing import Literal

import numpy as np

from tfp_flows import screening
from tfp_flows.data.describe import Description, describe
from tfp_flows.data.errors import Argument, DataError
from tfp_flows.data.particles import relative
from tfp_flows.data.table import Table

__all__ = ["IntegerPolicy", "check", "check_finite"]

IntegerPolicy = Literal["refuse", "dequantize", "continuous"]

_ROWS_PER_COLUMN = 10


def check(
    table: Table,
    *,
    integers: IntegerPolicy = "refuse",
    description: Description | None = None,
) -> tuple[DataError, ...]:
    """Raises unless a density can be fitted to the table.

    Rows of images may have constant, copied and integer columns: their levels are
    dequantized. Of particles the positions relative to each other are checked.

    Args:
        table: what to check.
        integers: `refuse` columns of whole numbers and others with values that repeat,
            or let them pass because the model will `dequantize` those on a grid or
            treat them as `continuous`.
        description: The table's, where it is there already.

    Returns:
        What the reader of a likelihood has to know, of what was let pass.

    Raises:
        DataError: for rows with NaN or infinities; constant, copied, linearly dependent
            or row-counting columns; fewer distinct rows than 10 x columns; numbers
            that float32 loses; integer-valued columns and spikes unless allowed.
    """
    check_finite(table)
    if table.image_shape is not None:
        return ()
    table = relative(table)
    description = description or describe(table)
    rows = table.rows()
    if integers == "dequantize":
        gridded = np.isin(table.columns, [name for name, _ in description.grid])
        rows = table.rows(gridded)
    if table.num_rows > 1:
        _refuse(table, screening.unusable(rows))
        _refuse(table, screening.unbounded(rows))
    _check_number(table, description)
    discrete = list(screening.discrete_columns(rows))
    if integers != "continuous":
        _refuse(table, discrete)
    found = [*discrete, *screening.repeated_rows(rows)]
    return tuple(DataError(f"{table.name}: ", *words) for words in found)


def check_finite(table: Table) -> None:
    """Raises when a row holds NaN or an infinity, naming the first."""
    hint = " (the last row: is the file truncated?)"
    missing = screening.not_finite(table.rows(), hint)
    _refuse(table, [] if missing is None else [missing])


def _refuse(table: Table, found: Iterable[screening.Words]) -> None:
    for words in found:
        raise DataError(f"{table.name}: ", *words)


def _check_number(table: Table, description: Description) -> None:
    needed, distinct = _ROWS_PER_COLUMN * len(table.columns), description.num_distinct
    if distinct < needed:
        kind = "" if distinct == table.num_rows else " distinct"
        raise DataError(
            f"{table.name}: expected at least {needed}{kind} rows, 10 for each of "
            f"{len(table.columns)} columns, received {distinct}: give more rows, or "
            "fewer columns with ",
            Argument("columns"),
            *_or_keep_more(table),
        )


def _or_keep_more(table: Table) -> tuple[str | Argument, ...]:
    if table.drawn_from is None:
        return ()
    return (", or keep more with ", Argument("rows_in_memory"))
