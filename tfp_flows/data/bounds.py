"""Whether rows keep to the bounds that a person gives to columns."""

from collections.abc import Sequence

import numpy as np

from tfp_flows.data.columns import check_names
from tfp_flows.data.errors import Argument, DataError
from tfp_flows.data.table import Bound, Table

__all__ = ["check_bounds", "moved_end"]


def check_bounds(
    table: Table, bounds: Sequence[Bound], gridded: Sequence[str] = ()
) -> None:
    """Raises unless every row lies within the bounds of its columns, and not on them.

    Args:
        table: what to check.
        bounds: (name, low, high); None for an open end.
        gridded: columns that get uniform noise, which may lie on a bound.
    """
    if bounds and table.image_shape is not None:
        raise DataError(
            f"{table.name}: the gray levels of images are bounds already: leave out ",
            Argument("bounds"),
        )
    if bounds and table.particle_shape is not None:
        raise DataError(
            f"{table.name}: positions are modeled relative to each other, and have no "
            "bounds: leave out ",
            Argument("bounds"),
        )
    names = [name for name, _, _ in bounds]
    check_names(table.name, table.columns, names, Argument("bounds"))
    for name, low, high in bounds:
        column = table.values[:, table.columns.index(name)]
        for end, sign in ((low, 1.0), (high, -1.0)):
            if end is not None:
                _check_end(table, name, sign * column, sign * end, sign)
                if name not in gridded:
                    _check_apart(table, (name, low, high), column, end, sign)


def _check_end(
    table: Table, name: str, column: np.ndarray, end: float, sign: float
) -> None:
    beyond = column < end
    if beyond.any():
        row = int(np.argmax(beyond))
        raise DataError(
            f"{table.name}: {beyond.sum():,} of {table.num_rows:,} rows lie "
            f"{'below' if sign > 0 else 'above'} the bound {sign * end:g} of column "
            f"{name!r}, first row {table.row_number(row)} with "
            f"{sign * column[row]:g}: mend or leave them out, or widen ",
            Argument("bounds"),
        )


def _check_apart(
    table: Table, bound: Bound, column: np.ndarray, end: float, sign: float
) -> None:
    on_end = column == end
    if on_end.any():
        name, low, high = bound
        moved = moved_end(column, end, sign)
        low, high = (moved, high) if sign > 0 else (low, moved)
        raise DataError(
            f"{table.name}: {on_end.sum():,} of {table.num_rows:,} rows lie exactly on "
            f"the bound {end:g} of column {name!r}, first row "
            f"{table.row_number(int(np.argmax(on_end)))}, where a logarithm is "
            "infinite: leave them out, or move the bound a little, as by ",
            Argument("bounds", [f"{name}={_text(low)}:{_text(high)}"]),
        )


def moved_end(column: np.ndarray, end: float, sign: float) -> float:
    """Returns a bound beyond `end`, half as far as the nearest value lies inside.

    Args:
        column: [N].
        end: the bound.
        sign: 1 for a lower bound, −1 for an upper one.
    """
    distance = sign * (column - end)
    inside = distance[distance > 0]
    moved = end - sign * 0.5 * (inside.min() if len(inside) else 1.0)
    # Few digits, unless they would lead back.
    short = float(f"{moved:.4g}")
    return short if sign * (end - short) > 0 else float(moved)


def _text(end: float | None) -> str:
    return "" if end is None else f"{end:.15g}"
