"""Whole tables: of chosen columns, or of those that a model was fitted to."""

import dataclasses
import pathlib
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from tfp_flows.data.categories import Categories, Category, expand
from tfp_flows.data.columns import choose_columns, with_target
from tfp_flows.data.errors import Argument, DataError
from tfp_flows.data.sources.drawn import Drawn, draw_rows, rows_at_a_time, rows_that_fit
from tfp_flows.data.sources.open import open_file, open_source
from tfp_flows.data.sources.parts import files_of, is_pattern
from tfp_flows.data.sources.source import Source
from tfp_flows.data.stream import stream_rows
from tfp_flows.data.table import DrawnFrom, Schema, Table
from tfp_flows.data.weights import check_weight

__all__ = ["load", "load_like", "read_table"]

_HEADER = {"yes": True, "no": False, "auto": None}


def load(source: str | pathlib.Path, **options: Any) -> Table:
    """Loads a built-in set by name, or else reads a file.

    Args:
        source: a name, or a file, or a pattern of files, as for `read_table`.
        **options: as for `read_table`.

    Example:
        >>> load("moons").values.shape
        (20000, 2)
    """
    return _read(open_source, source, **options)


def read_table(path: str | pathlib.Path, **options: Any) -> Table:
    """Reads a `.csv`, `.parquet`, `.npy` or `.npz` file.

    Columns of arrays are named `x0, x1, ...`; a uint8 array [N, H, W] or [N, H, W, C]
    holds images of 256 levels; the array `context` of a `.npz` file is conditioned on
    unless `context` names other columns. Text files may be separated by semicolons,
    tabs or bars, and have decimal commas then.

    Args:
        path: the file, or a pattern of files with the same columns, such as
            "parts/*.parquet", whose rows follow each other by name of file.
        **options: all optional.
            columns: names of the modeled columns; None for all that remain.
            target: names of the columns to predict: they are modeled, and `context`
                is by default all others.
            context: names of the columns to condition on.
            exclude: names of columns to leave out.
            weights: name of the column that holds the rows' weights.
            drop_invalid: leave out rows with NaN or infinities, and count them.
            missing: cells that stand for a missing number, such as `["?", "-999"]`.
            rows_in_memory: the most rows to keep, drawn at random; a fraction for what
                such a share of the memory works on, None for all.
            header: "yes" if a first line of numbers holds names, "no" if it is a row,
                "auto" to take it for names where it is unlike the rows.

    Raises:
        DataError: the file is missing, empty, truncated or of another kind, or a column
            is not numeric or not there, or weights are no numbers ≥ 0.
    """
    return _read(open_file, path, **options)


def load_like(
    source: str | pathlib.Path, schema: Schema, *, drop_invalid: bool = False
) -> Table:
    """Loads rows that follow the schema of the data a model was fitted to."""
    size = rows_at_a_time(len(schema.names))
    values, context = zip(*stream_rows(source, schema, size), strict=True)
    joined = np.concatenate(context) if schema.context_columns else None
    table = _table(source, schema, np.concatenate(values), joined)
    return table.drop_invalid() if drop_invalid else table


def _read(
    open_rows: Callable[..., Source],
    where: str | pathlib.Path,
    *,
    columns: Sequence[str] | None = None,
    target: Sequence[str] | None = None,
    context: Sequence[str] | None = None,
    exclude: Sequence[str] = (),
    weights: str | None = None,
    drop_invalid: bool = False,
    missing: Sequence[str] = (),
    header: Literal["yes", "no", "auto"] = "auto",
    rows_in_memory: float | None = None,
) -> Table:
    source = open_rows(where, _HEADER[header], tuple(missing))
    if header == "no" and source.header is None:
        raise DataError(
            f"{source.where}: there is no first line of numbers to read as a row: "
            "leave out ",
            Argument("header"),
        )
    columns, context = with_target(source, columns, target, context, exclude, weights)
    schema = choose_columns(source, columns, context, exclude, weights)
    schema = dataclasses.replace(schema, header=source.header, missing=tuple(missing))
    names = schema.names if weights is None else (*schema.names, weights)
    features = () if target is None else schema.context_columns
    most = _most_rows(where, len(names), rows_in_memory)
    drawn, names, ordered = _rows_of(source, names, features, missing, most)
    rows, size = drawn.rows, len(schema.columns)
    context_columns = names[size : len(names) - (weights is not None)]
    schema = dataclasses.replace(
        schema, context_columns=context_columns, categories=ordered
    )
    table = _table(
        source.where,
        schema,
        rows[:, :size],
        rows[:, size : len(schema.names)] if schema.context_columns else None,
        weight=None if weights is None else rows[:, -1],
        partition=source.partition,
    )
    table = table.drop_invalid() if drop_invalid else table
    if not drawn.is_whole:
        table = _of_more(table, drawn, drop_invalid=drop_invalid)
    if weights is not None:
        check_weight(table, weights)
    return table


def _most_rows(
    where: str | pathlib.Path, num_columns: int, asked: float | None
) -> int | None:
    """How many rows to keep; all of a built-in set, which are there already."""
    if asked is None or not files_of(where)[0].exists():
        return None
    return int(asked) if asked >= 1 else rows_that_fit(num_columns, asked)


def _rows_of(
    source: Source,
    names: Sequence[str],
    features: Sequence[str],
    missing: Sequence[str],
    most: int | None,
) -> tuple[Drawn, tuple[str, ...], tuple[Category, ...]]:
    """Rows, names of their columns, and the categories of those features of text."""
    categories = Categories(source.where, {})
    if features:
        text = source.columns_of_text(features, rows_at_a_time(len(features)))
        categories.texts.update({name: [] for name in text})
    batches = source.batches(
        *(names, rows_at_a_time(len(names))),
        missing=missing,
        whole=True,
        categories=categories,
    )
    drawn = draw_rows(batches, most)
    ordered = categories.in_order()
    rows, names = expand(drawn.rows, names, ordered, categories.texts)
    return dataclasses.replace(drawn, rows=rows), names, ordered


def _of_more(table: Table, drawn: Drawn, *, drop_invalid: bool) -> Table:
    """The table, as some of the rows that were read."""
    if table.weight is not None:
        raise DataError(
            f"{table.name}: rows with weights are all kept in memory, received "
            f"{drawn.num_rows:,} of which {len(drawn.rows):,} may be: give a larger ",
            Argument("rows_in_memory"),
            ", or leave out ",
            Argument("weights"),
        )
    if drawn.num_invalid and not drop_invalid:
        raise DataError(
            f"{table.name}: {drawn.num_invalid:,} of {drawn.num_rows:,} rows hold NaN "
            "or an infinity: leave them out with ",
            Argument("drop_invalid"),
        )
    numbers = table.row_numbers
    kept = np.arange(len(drawn.rows)) if numbers is None else numbers - 1
    return dataclasses.replace(
        table,
        row_numbers=drawn.places[kept] + 1,
        dropped=drawn.num_invalid,
        drawn_from=DrawnFrom(
            drawn.num_rows - drawn.num_invalid, len(drawn.rows), drawn.checksum
        ),
    )


def _table(
    source: str | pathlib.Path,
    schema: Schema,
    values: np.ndarray,
    context: np.ndarray | None,
    **fields: Any,
) -> Table:
    return Table(
        name=_name(pathlib.Path(source)),
        values=values,
        columns=schema.columns,
        context=context,
        context_columns=schema.context_columns,
        source_columns=schema.source_columns,
        image_shape=schema.image_shape,
        levels=schema.levels,
        header=schema.header,
        missing=schema.missing,
        categories=schema.categories,
        particle_shape=schema.particle_shape,
        **fields,
    )


def _name(path: pathlib.Path) -> str:
    """Of many files that of their folder."""
    return path.resolve().parent.name if is_pattern(path) else path.stem
