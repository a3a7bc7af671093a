"""Writing rows in blocks to the file formats that can be read back."""

import importlib.util
import pathlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TextIO

import numpy as np

from tfp_flows.data import Schema, missing_package

__all__ = ["ENDINGS", "column_types", "quoted", "write_lines", "write_rows"]

ENDINGS = (".csv", ".parquet", ".npy", ".npz")

Blocks = Iterable[tuple[np.ndarray, np.ndarray | None]]


def write_rows(
    path: pathlib.Path,
    schema: Schema,
    blocks: Blocks,
    types: Mapping[str, Any] | None = None,
) -> None:
    """Writes rows to a file, in the format of its ending.

    Context columns follow the modeled ones, and read back equal; a `.npz` file holds
    `x` and `context`. Images become uint8 arrays [N, H, W] or [N, H, W, C] in `.npy`
    and `.npz` files.

    Args:
        path: the file.
        schema: what a row holds.
        blocks: values [n, D] and context [n, C].
        types: Arrow types of columns in a `.parquet` file, else float64.
    """
    writer = _WRITERS[path.suffix.lower()]
    if writer is _write_parquet:
        _write_parquet(path, schema, blocks, types or {})
    else:
        writer(path, schema, blocks)


def column_types(
    source: str | None, context: np.ndarray | None, schema: Schema
) -> dict[str, Any]:
    """Returns the Arrow types of context columns: a Parquet file's own, or integers.

    Args:
        source: where the context is from, None for held-out rows.
        context: [M, C], or None.
        schema: what a row holds.
    """
    if context is None or importlib.util.find_spec("pyarrow") is None:
        return {}
    import pyarrow.parquet

    names = schema.context_columns
    if source is not None and source.lower().endswith(".parquet"):
        known = pyarrow.parquet.read_schema(source)
        return {name: known.field(name).type for name in names}
    whole = (context == np.rint(context)).all(axis=0)
    whole &= np.abs(context).max(axis=0) < 2**63
    return dict.fromkeys(np.array(names)[whole].tolist(), pyarrow.int64())


def write_lines(lines: TextIO, schema: Schema, blocks: Blocks) -> None:
    """Writes rows as lines of .csv, those of `write_rows`, to an open stream."""
    lines.write(",".join(map(quoted, _names(schema))) + "\n")
    exact = [name in schema.integer_columns for name in schema.columns]
    exact += [True] * len(schema.context_columns)
    written = [_shortest if whole else _nine_digits for whole in exact]
    for block in blocks:
        for row in _joined(block).tolist():
            cells = (write(x) for write, x in zip(written, row, strict=True))
            lines.write(",".join(cells) + "\n")


def _write_csv(path: pathlib.Path, schema: Schema, blocks: Blocks) -> None:
    with path.open("w", newline="", encoding="utf-8") as lines:
        write_lines(lines, schema, blocks)


# Nine digits tell any two float32 numbers apart.
_nine_digits = "{:.9g}".format


def _shortest(number: float) -> str:
    """The shortest text that reads back equal; a whole number without an exponent."""
    return str(int(number)) if number.is_integer() else repr(number)


def _write_parquet(
    path: pathlib.Path, schema: Schema, blocks: Blocks, types: Mapping[str, Any]
) -> None:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise missing_package("pyarrow", "cli", "writing .parquet files") from error
    names = _names(schema)
    fields = pyarrow.schema([(n, types.get(n, pyarrow.float64())) for n in names])
    with pyarrow.parquet.ParquetWriter(path, fields) as writer:
        for block in blocks:
            columns = [
                pyarrow.array(column).cast(field.type)
                for column, field in zip(
                    _joined(block).astype("float64").T, fields, strict=True
                )
            ]
            writer.write_table(pyarrow.table(columns, schema=fields))


def _write_npy(path: pathlib.Path, schema: Schema, blocks: Blocks) -> None:
    parts = list(blocks)
    if schema.image_shape is not None and not schema.context_columns:
        array = _images(schema, [values for values, _ in parts])
    else:
        array = np.concatenate([_joined(part) for part in parts])
    # Given a name, NumPy would append its ending to one in capitals.
    with path.open("wb") as stream:
        np.save(stream, array)


def _write_npz(path: pathlib.Path, schema: Schema, blocks: Blocks) -> None:
    parts = list(blocks)
    rows = [values for values, _ in parts]
    arrays: dict[str, Any] = {"x": np.concatenate(rows)}
    if schema.image_shape is not None:
        arrays["x"] = _images(schema, rows)
    contexts = [context for _, context in parts if context is not None]
    if contexts:
        arrays["context"] = np.concatenate(contexts)
    with path.open("wb") as stream:
        np.savez(stream, **arrays)


_WRITERS: dict[str, Callable[..., None]] = {
    ".csv": _write_csv,
    ".parquet": _write_parquet,
    ".npy": _write_npy,
    ".npz": _write_npz,
}


def _names(schema: Schema) -> tuple[str, ...]:
    return (*schema.columns, *schema.context_columns)


def _joined(block: tuple[np.ndarray, np.ndarray | None]) -> np.ndarray:
    values, context = block
    return values if context is None else np.hstack([values, context])


def _images(schema: Schema, rows: list[np.ndarray]) -> np.ndarray:
    height, width, channels = schema.image_shape or (1, 1, 1)
    shape = (height, width) if channels == 1 else (height, width, channels)
    images = np.concatenate(rows).astype("uint8")
    return images.reshape(len(images), *shape)


def quoted(name: str) -> str:
    """Returns a column's name as a cell of a .csv file."""
    return '"' + name.replace('"', '""') + '"' if set(name) & set(',"\n') else name
