"""Parquet files."""

import functools
import pathlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from tfp_flows.data.errors import missing_package
from tfp_flows.data.sources.source import Source, not_numeric, refused
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
    path: pathlib.Path, file: Any, names: Sequence[str], size: int
) -> Iterator[np.ndarray]:
    start = 1
    with _whole(path):
        for batch in file.iter_batches(batch_size=size, columns=list(names)):
            if batch.num_rows:
                yield np.column_stack([_to_float(path, batch, n, start) for n in names])
            start += batch.num_rows


def _to_float(path: pathlib.Path, batch: Any, name: str, start: int) -> np.ndarray:
    import pyarrow

    column = batch.column(name)
    if not any(getattr(pyarrow.types, kind)(column.type) for kind in _NUMERIC):
        raise not_numeric(path, name, start, column[0].as_py())
    # Integers above 2^53 lose digits here, as in every float64 table.
    return column.cast("float64", safe=False).to_numpy(zero_copy_only=False)
