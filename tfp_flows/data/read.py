"""Reading a table from a file, whole."""

import dataclasses
import pathlib
from collections.abc import Sequence

import numpy as np

from tfp_flows.data.arrays import read_arrays
from tfp_flows.data.columns import choose_columns
from tfp_flows.data.errors import DataError
from tfp_flows.data.frames import frame_columns, iterate_frame
from tfp_flows.data.table import Table

__all__ = ["FILE_ENDINGS", "check_file", "pick_columns", "read_table"]

FILE_ENDINGS = (".csv", ".parquet", ".npy", ".npz")

_UINT8_LEVELS = 256


def read_table(
    path: str | pathlib.Path,
    *,
    columns: Sequence[str] | None = None,
    context: Sequence[str] | None = None,
    exclude: Sequence[str] = (),
    drop_invalid: bool = False,
) -> Table:
    """Reads a `.csv`, `.parquet`, `.npy` or `.npz` file.

    Columns of arrays are named `x0, x1, ...`; a uint8 array `[N, H, W]` or
    `[N, H, W, C]` holds images of 256 levels; the array `context` of a `.npz` file is
    conditioned on unless `context` names other columns.

    Args:
        path: The file.
        columns: Names of the modeled columns; None for all that remain.
        context: Names of the columns to condition on.
        exclude: Names of columns to leave out.
        drop_invalid: Leave out rows with NaN or infinities, and count them.

    Raises:
        DataError: When the file is missing, empty, truncated or of another kind, or a
            column is not numeric or not there.
    """
    path = check_file(path)
    if path.suffix.lower() in (".npy", ".npz"):
        table = _read_array_table(path)
        if context is None:
            context = table.context_columns
        table = pick_columns(table, columns, context, exclude)
    else:
        table = _read_frame_table(path, columns, context, exclude)
    return table.drop_invalid() if drop_invalid else table


def check_file(path: str | pathlib.Path) -> pathlib.Path:
    """Returns the path of a file that exists, is not empty and has a known ending."""
    path = pathlib.Path(path)
    if path.is_dir():
        raise DataError(f"{path}: this is a folder: give one file in it")
    if path.suffix.lower() not in FILE_ENDINGS:
        raise DataError(
            f"{path}: expected a file ending in {', '.join(FILE_ENDINGS)}, received "
            f"{path.suffix.lower() or 'no ending'}: convert it to one of these"
        )
    if not path.is_file():
        raise DataError(f"{path}: there is no such file: check the name and folder")
    try:
        with path.open("rb") as stream:
            if not stream.read(1):
                raise DataError(f"{path}: the file is empty: give another file")
    except PermissionError as error:
        raise DataError(f"{path}: the file is not readable: change its mode") from error
    return path


def pick_columns(
    table: Table,
    columns: Sequence[str] | None,
    context: Sequence[str] | None,
    exclude: Sequence[str] = (),
) -> Table:
    """Returns the table with the chosen columns; its context columns are on offer."""
    if table.image_shape is not None and (columns or exclude):
        raise DataError(
            f"{table.name}: rows are images, whose pixels are modeled together: leave "
            "out --columns and --exclude"
        )
    chosen, conditions = choose_columns(
        table.name,
        table.columns,
        columns=columns,
        context=context,
        exclude=exclude,
        offered=table.context_columns,
    )
    return dataclasses.replace(
        table,
        values=_gather(table, chosen),
        columns=chosen,
        context=_gather(table, conditions) if conditions else None,
        context_columns=conditions,
        source_columns=(*table.columns, *table.context_columns),
    )


def _gather(table: Table, names: Sequence[str]) -> np.ndarray:
    if tuple(names) == table.columns:
        return table.values
    source = table.values
    if table.context is not None:
        source = np.hstack([table.values, table.context])
    known = [*table.columns, *table.context_columns]
    return source[:, [known.index(name) for name in names]]


def _read_array_table(path: pathlib.Path) -> Table:
    found = read_arrays(path)
    context = found.context
    return Table(
        name=path.stem,
        values=np.asarray(found.values, "float64"),
        columns=found.columns,
        context=None if context is None else np.asarray(context, "float64"),
        context_columns=found.context_columns,
        image_shape=found.image_shape,
        levels=None if found.image_shape is None else _UINT8_LEVELS,
    )


def _read_frame_table(
    path: pathlib.Path,
    columns: Sequence[str] | None,
    context: Sequence[str] | None,
    exclude: Sequence[str],
) -> Table:
    known = frame_columns(path)
    chosen, conditions = choose_columns(
        str(path), known, columns=columns, context=context, exclude=exclude
    )
    matrix = next(iterate_frame(path, (*chosen, *conditions), batch_size=None))
    return Table(
        name=path.stem,
        values=matrix[:, : len(chosen)],
        columns=chosen,
        context=matrix[:, len(chosen) :] if conditions else None,
        context_columns=conditions,
        source_columns=known,
    )
