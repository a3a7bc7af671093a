"""Text files of columns separated by commas.

pandas reads them. pyarrow is three times as fast, but refuses the short lines that are
filled here with missing cells, and takes all that follows an unclosed quotation mark
for one cell, where pandas refuses the file.
"""

import csv
import functools
import pathlib
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tfp_flows.data.errors import DataError, missing_package
from tfp_flows.data.sources.source import Source, not_numeric, refused
from tfp_flows.data.table import Schema

__all__ = ["csv_source"]

# pandas decodes a file with or without a byte-order mark alike under this name.
_ENCODING = "utf-8-sig"


def csv_source(path: pathlib.Path) -> Source:
    """Opens a `.csv` file.

    The columns of a file whose first line holds only numbers are named `x0, x1, ...`.
    """
    fields = _first_line(path)
    has_header = not _are_numbers(fields)
    names = tuple(
        (field.strip() or f"column{i}") if has_header else f"x{i}"
        for i, field in enumerate(fields)
    )
    read = functools.partial(_read, path, names, has_header)
    return Source(str(path), Schema(names), read)


def _first_line(path: pathlib.Path) -> list[str]:
    with (
        refused(path, "a CSV text file", "save it as UTF-8", UnicodeError, csv.Error),
        path.open(newline="", encoding=_ENCODING) as lines,
    ):
        fields = next(csv.reader(lines), [])
    if not fields:
        raise DataError(f"{path}: the first line is empty: give a file with columns")
    separator = next((mark for mark in ";\t|" if mark in fields[0]), None)
    if len(fields) == 1 and separator is not None:
        raise DataError(
            f"{path}: expected columns separated by commas, received "
            f"{fields[0][:40]!r}: replace the separator {separator!r} by a comma"
        )
    return fields


def _are_numbers(fields: list[str]) -> bool:
    try:
        np.array(fields, "float64")
    except ValueError:
        return False
    return True


def _read(
    path: pathlib.Path,
    every: Sequence[str],
    has_header: bool,
    names: Sequence[str],
    size: int,
) -> Iterator[np.ndarray]:
    try:
        import pandas as pd
    except ImportError as error:
        raise missing_package("pandas", "cli", "reading .csv files") from error
    malformed = (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeError)
    what, remedy = "a well-formed CSV file", "mend or truncate it there"
    with (
        refused(path, what, remedy, *malformed),
        # Every column is parsed, and not only those in `names`: otherwise pandas
        # passes over lines that have too many fields.
        pd.read_csv(
            path,
            names=list(every),
            header=0 if has_header else None,
            index_col=False,
            encoding=_ENCODING,
            skipinitialspace=True,
            float_precision="round_trip",
            # One dtype for a column of a batch: pandas otherwise infers it anew for
            # each block of bytes.
            low_memory=False,
            chunksize=size,
        ) as reader,
    ):
        start = 1
        while (frame := _next_frame(path, reader, len(every))) is not None:
            yield np.column_stack([_to_float(path, frame[n], start) for n in names])
            start += len(frame)


def _next_frame(path: pathlib.Path, reader: Any, width: int) -> Any:
    from pandas.errors import ParserWarning

    with warnings.catch_warnings():
        warnings.simplefilter("error", ParserWarning)
        try:
            frame = next(reader, None)
        except ParserWarning as error:
            raise DataError(
                f"{path}: the lines have more fields than the {width} names of the "
                "first line: name every column"
            ) from error
    return None if frame is None or frame.empty else frame


def _to_float(path: pathlib.Path, column: Any, start: int) -> np.ndarray:
    """Converts one pandas column, naming the first cell that is not a number."""
    import pandas as pd

    numbers = pd.to_numeric(column, errors="coerce")
    bad = np.flatnonzero(numbers.isna() & column.notna())
    if len(bad):
        raise not_numeric(path, column.name, start + bad[0], column.iloc[bad[0]])
    return numbers.to_numpy("float64")
