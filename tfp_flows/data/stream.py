"""Streaming rows that follow a known schema, in constant memory."""

import pathlib
from collections.abc import Iterator

import numpy as np

from tfp_flows.data.arrays import ArrayFile, read_arrays
from tfp_flows.data.builtin import is_builtin, load_builtin
from tfp_flows.data.errors import DataError
from tfp_flows.data.frames import frame_columns, iterate_frame
from tfp_flows.data.read import check_file
from tfp_flows.data.table import Schema

__all__ = ["stream_rows"]


def stream_rows(
    source: str | pathlib.Path, schema: Schema, batch_size: int
) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """Yields the rows of a file or built-in set as the schema orders them.

    Columns are found by name. An array without names may also hold just the columns
    of the schema, modeled columns first, in order. Only one batch is in memory at a
    time, but for `.npz` files and built-in sets, which are loaded whole.

    Args:
        source: A `.csv`, `.parquet`, `.npy` or `.npz` file, or a built-in set's name.
        schema: What the rows of the data that the model was fitted to held.
        batch_size: Rows of a batch; the last may be smaller.

    Yields:
        `[batch, D]` float64 values and `[batch, C]` context, None without context.

    Raises:
        DataError: When the rows do not follow the schema.
    """
    names = (*schema.columns, *schema.context_columns)
    if is_builtin(source):
        batches = _from_builtin(str(source), names, batch_size)
    else:
        path = check_file(source)
        if path.suffix.lower() in (".npy", ".npz"):
            batches = _from_arrays(path, schema, names, batch_size)
        else:
            _check_present(str(path), names, frame_columns(path))
            batches = iterate_frame(path, names, batch_size)
    width = len(schema.columns)
    for batch in batches:
        values = batch[:, :width]
        _check_grid(str(source), values, schema)
        yield values, batch[:, width:] if schema.context_columns else None


def _from_builtin(
    name: str, names: tuple[str, ...], batch_size: int
) -> Iterator[np.ndarray]:
    table = load_builtin(name)
    known = (*table.columns, *table.context_columns)
    _check_present(name, names, known)
    blocks = [table.values] if table.context is None else [table.values, table.context]
    indices = [known.index(name) for name in names]
    yield from _slices(blocks, indices, batch_size)


def _from_arrays(
    path: pathlib.Path, schema: Schema, names: tuple[str, ...], batch_size: int
) -> Iterator[np.ndarray]:
    found = read_arrays(path)
    if found.image_shape is not None:
        _check_image(path, found, schema)
    known = (*found.columns, *found.context_columns)
    if len(known) == len(schema.source_columns) and set(names) <= set(known):
        indices = [known.index(name) for name in names]
    elif len(known) == len(names):
        indices = list(range(len(names)))
    else:
        raise DataError(
            f"{path}: expected {len(names)} columns ({_listing(names)}), received "
            f"{len(known)}: give the columns that the model was fitted to"
        )
    blocks = [found.values]
    if found.context is not None:
        blocks.append(found.context)
    yield from _slices(blocks, indices, batch_size)


def _slices(
    blocks: list[np.ndarray], indices: list[int], batch_size: int
) -> Iterator[np.ndarray]:
    for start in range(0, len(blocks[0]), batch_size):
        parts = [np.asarray(b[start : start + batch_size], "float64") for b in blocks]
        yield np.hstack(parts)[:, indices]


def _check_image(path: pathlib.Path, found: ArrayFile, schema: Schema) -> None:
    if found.image_shape != schema.image_shape:
        expected = schema.image_shape or f"rows of {len(schema.columns)} numbers"
        raise DataError(
            f"{path}: expected {expected}, received images of shape "
            f"{found.image_shape}: give data like those the model was fitted to"
        )


def _check_present(source: str, names: tuple[str, ...], known: tuple[str, ...]) -> None:
    missing = [name for name in names if name not in known]
    if missing:
        raise DataError(
            f"{source}: expected {len(names)} columns ({_listing(names)}), but "
            f"{_listing(tuple(missing))} is not among its {len(known)} "
            f"({_listing(known)}): rename or add the column"
        )


def _check_grid(source: str, values: np.ndarray, schema: Schema) -> None:
    """Refuses values between the integers that a dequantized column was fitted to."""
    lowest, highest = -np.inf, np.inf
    if schema.levels is not None:
        lowest, highest = 0, schema.levels - 1
        expected = f"gray levels 0, 1, ..., {highest}"
    else:
        values = values[:, [name in schema.integer_columns for name in schema.columns]]
        expected = f"integers in {_listing(schema.integer_columns)}"
    finite = values[np.isfinite(values)]
    wrong = (finite != np.rint(finite)) | (finite < lowest) | (finite > highest)
    if wrong.any():
        raise DataError(
            f"{source}: expected {expected}, received {finite[wrong][0]:g}: give data "
            "in the units that the model was fitted to"
        )


def _listing(names: tuple[str, ...], limit: int = 8) -> str:
    more = ", ..." if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
