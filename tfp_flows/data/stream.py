"""Rows that follow a known schema, in constant memory."""

import pathlib
from collections.abc import Iterator

import numpy as np

from tfp_flows.data.categories import Categories, expand
from tfp_flows.data.errors import DataError, listing
from tfp_flows.data.sources.open import open_source
from tfp_flows.data.sources.source import Source
from tfp_flows.data.table import Schema
from tfp_flows.screening.repeats import on_grid

__all__ = ["stream_rows"]


def stream_rows(
    source: str | pathlib.Path, schema: Schema, batch_size: int
) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """Yields the rows of a file or built-in set as the schema orders them.

    Columns are found by name. An array without names may also hold just the columns
    of the schema, modeled columns first, in order. Only one batch is in memory at a
    time, but for `.npz` files and built-in sets, which are loaded whole.

    Args:
        source: a `.csv`, `.parquet`, `.npy` or `.npz` file, a pattern of such as for
            `read_table`, or a built-in set's name.
        schema: what the rows of the data that the model was fitted to held.
        batch_size: rows of a batch; the last may be smaller.

    Yields:
        [batch, D] float64 values and [batch, C] context, None without context.

    Raises:
        DataError: the rows do not follow the schema.
    """
    opened = open_source(source, schema.header, schema.missing)
    names, width = _found(opened, schema), len(schema.columns)
    texts = {name: list(texts) for name, texts in schema.categories}
    categories = Categories(opened.where, texts, known=True)
    for rows in opened.batches(
        names, batch_size, missing=schema.missing, categories=categories
    ):
        rows, _ = expand(rows, schema.read_names, schema.categories, texts)
        values, context = rows[:, :width], rows[:, width:]
        _check_grid(opened.where, values, schema)
        yield values, context if schema.context_columns else None


def _found(source: Source, schema: Schema) -> tuple[str, ...]:
    """Returns the source's own names of the schema's columns."""
    _check_image(source, schema)
    names, known = schema.read_names, source.schema.names
    expected = f"{source.where}: expected {len(names)} columns ({listing(names)})"
    if source.has_names:
        missing = [name for name in names if name not in known]
        if missing:
            verb, what = ("is", "column") if len(missing) == 1 else ("are", "columns")
            remedy = f"rename or add the {what}"
            if {name.casefold() for name in missing} <= set(map(str.casefold, known)):
                remedy = f"rename the {what}, of which only the capitals differ"
            raise DataError(
                f"{expected}, but {listing(missing)} {verb} not among its {len(known)} "
                f"({listing(known)}): {remedy}"
            )
        return names
    if len(known) == len(schema.source_columns) and set(names) <= set(known):
        return names
    if len(known) == len(names):
        return known
    raise DataError(
        f"{expected}, received {len(known)}: give the columns that the model was "
        "fitted to"
    )


def _check_image(source: Source, schema: Schema) -> None:
    shape = source.schema.image_shape
    pixels = not set(schema.names) <= set(source.schema.context_columns)
    if pixels and shape is not None and shape != schema.image_shape:
        expected = f"rows of {len(schema.columns)} numbers"
        if schema.image_shape is not None:
            expected = f"images of shape {schema.image_shape}"
        raise DataError(
            f"{source.where}: expected {expected}, received images of shape {shape}: "
            "give data like those the model was fitted to"
        )


def _check_grid(source: str, values: np.ndarray, schema: Schema) -> None:
    """Refuses values between those of the grid that a column was fitted to."""
    lowest, highest, steps = -np.inf, np.inf, np.ones(len(schema.columns))
    if schema.levels is not None:
        lowest, highest = 0, schema.levels - 1
        expected = f"gray levels 0, 1, ..., {highest}"
    else:
        chosen = np.flatnonzero(schema.steps)
        values, steps = values[:, chosen], np.array(schema.steps)[chosen]
        kind = "integers"
        if np.any(steps != 1.0):
            kind = f"multiples of {listing([f'{step:g}' for step in steps])}"
        expected = f"{kind} in {listing(schema.integer_columns)}"
    outside = (values < lowest) | (values > highest)
    with np.errstate(invalid="ignore"):
        wrong = np.isfinite(values) & (outside | ~on_grid(values, steps))
    if wrong.any():
        raise DataError(
            f"{source}: expected {expected}, received {values[wrong][0]:g}: give data "
            "in the units that the model was fitted to"
        )
