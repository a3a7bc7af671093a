"""Parquet files."""

import functools
import pathlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from tfp_flows.data.errors import missing_package
from tfp_flows.data.sources.source import Source, refused
from tfp_flows.data.sources.text_cells import TextCells
from tfp_flows.data.table import Schema

__all__ = ["parquet_source"]

# A date could be cast to a number too, and text that looks like one.
_NUMERIC = ("is_integer", "is_floating", "is_boolean", "is_decimal", "is_null")


def parquet_source(path: pathlib.Path) -> Source:
    """Opens a `.parquet` file."""
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise missing_package("pyarrow", "cli", "reading .parquet files") from error
    with _whole(path):
        file = pyarrow.parquet.ParquetFile(path)
    names = tuple(file.schema_arrow.names)
    return Source(str(path), Schema(names), functools.partial(_read, path, file))


def _whole(path: pathlib.Path) -> AbstractContextManager[None]:
    from pyarrow import ArrowException

    what, remedy = "a whole Parquet file", "write or copy it again"
    return refused(path, what, remedy, ArrowException, OSError)


def _read(
    path: pathlib.Path, file: Any, names: Sequence[str], size: int, text: TextCells
) -> Iterator[np.ndarray]:
    start = 1
    with _whole(path):
        for batch in file.iter_batches(batch_size=size, columns=list(names)):
            if batch.num_rows:
                columns = [_to_float(batch.column(n), n, start, text) for n in names]
                yield np.column_stack(columns)
            start += batch.num_rows


def _to_float(column: Any, name: str, start: int, text: TextCells) -> np.ndarray:
    import pyarrow

    if name in text.categories.texts:
        return text.categories.encode(name, start, column.to_pylist())
    if not any(getattr(pyarrow.types, kind)(column.type) for kind in _NUMERIC):
        is_text = column.is_valid().to_numpy(zero_copy_only=False)
        text.add(name, start, column.to_pylist(), is_text)
        return np.full(len(column), np.nan)
    # Integers above 2^53 lose digits here, as in every float64 table.
    return column.cast("float64", safe=False).to_numpy(zero_copy_only=False)
