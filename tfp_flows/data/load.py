"""The single entry: a table from a file or from the name of a built-in set."""

import pathlib
from collections.abc import Sequence

import numpy as np

from tfp_flows.data.builtin import is_builtin, load_builtin
from tfp_flows.data.read import pick_columns, read_table
from tfp_flows.data.stream import stream_rows
from tfp_flows.data.table import Schema, Table

__all__ = ["load", "load_like"]


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
    if is_builtin(source):
        table = pick_columns(load_builtin(str(source)), columns, context, exclude)
        return table.drop_invalid() if drop_invalid else table
    return read_table(
        source,
        columns=columns,
        context=context,
        exclude=exclude,
        drop_invalid=drop_invalid,
    )


def load_like(
    source: str | pathlib.Path, schema: Schema, *, drop_invalid: bool = False
) -> Table:
    """Loads rows that follow the schema of the data a model was fitted to."""
    batches = list(stream_rows(source, schema, batch_size=65_536))
    contexts = [context for _, context in batches if context is not None]
    table = Table(
        name=pathlib.Path(source).stem,
        values=np.concatenate([values for values, _ in batches]),
        columns=schema.columns,
        context=np.concatenate(contexts) if contexts else None,
        context_columns=schema.context_columns,
        source_columns=schema.source_columns,
        image_shape=schema.image_shape,
        levels=schema.levels,
    )
    return table.drop_invalid() if drop_invalid else table
