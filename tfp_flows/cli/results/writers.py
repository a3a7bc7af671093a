"""Writing rows in blocks to the file formats that can be read back."""

import pathlib
from collections.abc import Callable, Iterable
from typing import Any, TextIO

import numpy as np

from tfp_flows.data import Schema, missing_package

__all__ = ["ENDINGS", "write_lines", "write_rows"]

ENDINGS = (".csv", ".parquet", ".npy", ".npz")

Blocks = Iterable[tuple[np.ndarray, np.ndarray | None]]


def write_rows(path: pathlib.Path, schema: Schema, blocks: Blocks) -> None:
    """Writes rows to a file, in the format of its ending.

    Context columns follow the modeled ones; a `.npz` file holds `x` and `context`.
    Images become uint8 arrays [N, H, W] or [N, H, W, C] in `.npy` and `.npz` files.
    """
    _WRITERS[path.suffix.lower()](path, schema, blocks)


def write_lines(lines: TextIO, schema: Schema, blocks: Blocks) -> None:
    """Writes rows as lines of .csv, those of `write_rows`, to an open stream."""
    lines.write(",".join(map(_quoted, _names(schema))) + "\n")
    for block in blocks:
        # Nine digits tell any two float32 numbers apart.
        np.savetxt(lines, _joined(block), fmt="%.9g", delimiter=",")


def _write_csv(path: pathlib.Path, schema: Schema, blocks: Blocks) -> None:
    with path.open("w", newline="", encoding="utf-8") as lines:
        write_lines(lines, schema, blocks)


def _write_parquet(path: pathlib.Path, schema: Schema, blocks: Blocks) -> None:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise missing_package("pyarrow", "cli", "writing .parquet files") from error
    names = _names(schema)
    fields = pyarrow.schema([(name, pyarrow.float64()) for name in names])
    with pyarrow.parquet.ParquetWriter(path, fields) as writer:
        for block in blocks:
            columns = list(_joined(block).astype("float64").T)
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


_WRITERS: dict[str, Callable[[pathlib.Path, Schema, Blocks], None]] = {
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


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"' if set(name) & set(',"\n') else name
