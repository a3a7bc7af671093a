"""From a path or a name to the source of its rows."""

import functools
import pathlib

from tfp_flows.data.builtin import is_builtin, load_builtin
from tfp_flows.data.errors import DataError
from tfp_flows.data.sources.csv_file import csv_source
from tfp_flows.data.sources.numpy_file import numpy_source
from tfp_flows.data.sources.parquet_file import parquet_source
from tfp_flows.data.sources.parts import is_pattern, parts_source
from tfp_flows.data.sources.source import Source, slices

__all__ = ["open_file", "open_source"]

_OPENERS = {
    ".csv": csv_source,
    ".parquet": parquet_source,
    ".npy": numpy_source,
    ".npz": numpy_source,
}


def open_source(
    source: str | pathlib.Path,
    header: bool | None = None,
    missing: tuple[str, ...] = (),
) -> Source:
    """Opens a file, or the built-in set of a name; the rest as in `csv_source`."""
    if is_builtin(source):
        return _open_set(str(source))
    return open_file(source, header, missing)


def open_file(
    path: str | pathlib.Path,
    header: bool | None = None,
    missing: tuple[str, ...] = (),
) -> Source:
    """Opens a file that exists, is not empty and has a known ending, or many."""
    if is_pattern(path):
        open_part = functools.partial(open_file, header=header, missing=missing)
        return parts_source(str(path), open_part)
    path = pathlib.Path(path)
    if path.is_dir():
        raise DataError(f"{path}: this is a folder: give one file in it")
    opener = _OPENERS.get(path.suffix.lower())
    if opener is None:
        raise DataError(
            f"{path}: expected a file ending in {', '.join(_OPENERS)}, received "
            f"{path.suffix.lower() or 'no ending'}: convert it to one of these"
        )
    if path.exists() and not path.is_file():
        raise DataError(
            f"{path}: expected a file, which is read more than once, received a pipe "
            "or a device: write the data to a file first"
        )
    if not path.is_file():
        raise DataError(f"{path}: there is no such file: check the name and folder")
    try:
        with path.open("rb") as stream:
            if not stream.read(1):
                raise DataError(f"{path}: the file is empty: give another file")
    except PermissionError as error:
        raise DataError(f"{path}: the file is not readable: change its mode") from error
    return csv_source(path, header, missing) if opener is csv_source else opener(path)


def _open_set(name: str) -> Source:
    table = load_builtin(name)
    context = table.values[:, :0] if table.context is None else table.context
    blocks = table.values, context
    read = functools.partial(slices, blocks, table.schema.names)
    return Source(name, table.schema, read, partition=table.partition)
