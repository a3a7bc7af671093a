"""Whole tables: of chosen columns, or of those that a model was fitted to."""

import pathlib
from collections.abc import Iterable, Sequence

import numpy as np

from tfp_flows.data.columns import choose_columns
from tfp_flows.data.sources.open import open_file, open_source
from tfp_flows.data.sources.source import Source
from tfp_flows.data.stream import stream_rows
from tfp_flows.data.table import Schema, Table

__all__ = ["load", "load_like", "read_table"]

_ROWS_AT_A_TIME = 65_536


def load(
    source: str | pathlib.Path,
    *,
    columns: Sequence[str] | None = None,
    context: Sequence[str] | None = None,
    exclude: Sequence[str] = (),
    drop_invalid: bool = False,
) -> Table:
    """Loads a built-in set by name, or else reads a file (see `read_table`).

    Example:
        >>> load("moons").values.shape
        (20000, 2)
    """
    return _read(open_source(source), columns, context, exclude, drop_invalid)


def read_table(
    path: str | pathlib.Path,
    *,
    columns: Sequence[str] | None = None,
    context: Sequence[str] | None = None,
    exclude: Sequence[str] = (),
    drop_invalid: bool = False,
) -> Table:
    """Reads a `.csv`, `.parquet`, `.npy` or `.npz` file.

    Columns of arrays are named `x0, x1, ...`; a uint8 array [N, H, W] or [N, H, W, C]
    holds images of 256 levels; the array `context` of a `.npz` file is conditioned on
    unless `context` names other columns.

    Args:
        path: the file.
        columns: names of the modeled columns; None for all that remain.
        context: names of the columns to condition on.
        exclude: names of columns to leave out.
        drop_invalid: leave out rows with NaN or infinities, and count them.

    Raises:
        DataError: the file is missing, empty, truncated or of another kind, or a column
            is not numeric or not there.
    """
    return _read(open_file(path), columns, context, exclude, drop_invalid)


def load_like(
    source: str | pathlib.Path, schema: Schema, *, drop_invalid: bool = False
) -> Table:
    """Loads rows that follow the schema of the data a model was fitted to."""
    batches = stream_rows(source, schema, _ROWS_AT_A_TIME)
    table = _joined(source, batches, schema)
    return table.drop_invalid() if drop_invalid else table


def _read(
    source: Source,
    columns: Sequence[str] | None,
    context: Sequence[str] | None,
    exclude: Sequence[str],
    drop_invalid: bool,
) -> Table:
    schema = choose_columns(source, columns, context, exclude)
    batches = source.batches(schema, _ROWS_AT_A_TIME)
    table = _joined(source.where, batches, schema, source.partition)
    return table.drop_invalid() if drop_invalid else table


def _joined(
    source: str | pathlib.Path,
    batches: Iterable[tuple[np.ndarray, np.ndarray | None]],
    schema: Schema,
    partition: np.ndarray | None = None,
) -> Table:
    values, context = zip(*batches, strict=True)
    return Table(
        name=pathlib.Path(source).stem,
        values=np.concatenate(values),
        columns=schema.columns,
        context=np.concatenate(context) if schema.context_columns else None,
        context_columns=schema.context_columns,
        source_columns=schema.source_columns,
        image_shape=schema.image_shape,
        levels=schema.levels,
        partition=partition,
    )
