"""Reading named columns from CSV and Parquet files, whole or in batches."""

import csv
import pathlib
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tfp_flows.data.errors import DataError, missing_package

__all__ = ["frame_columns", "iterate_frame"]

# pandas decodes a file with or without a byte-order mark alike under this name.
_ENCODING = "utf-8-sig"


def frame_columns(path: pathlib.Path) -> tuple[str, ...]:
    """Returns the column names of a `.csv` or `.parquet` file.

    The columns of a CSV file whose first line holds only numbers are named
    `x0, x1, ...`.
    """
    if path.suffix.lower() == ".parquet":
        names = tuple(_open_parquet(path).schema_arrow.names)
    else:
        names = _csv_header(path)[0]
    if not names:
        raise DataError(f"{path}: the file has no columns: give another file")
    for name in names:
        if names.count(name) > 1:
            raise DataError(
                f"{path}: two columns are named {name!r}: rename one in the file"
            )
    return names


def iterate_frame(
    path: pathlib.Path, names: Sequence[str], batch_size: int | None
) -> Iterator[np.ndarray]:
    """Yields `[batch, len(names)]` float64 batches of the named columns, in order.

    Args:
        path: A `.csv` or `.parquet` file.
        names: Columns to read; all of them must be in the file.
        batch_size: Rows of a batch; None for the whole file as one batch.
    """
    if path.suffix.lower() == ".parquet":
        batches = _iterate_parquet(path, names, batch_size)
    else:
        batches = _iterate_csv(path, names, batch_size)
    empty = True
    for batch in batches:
        empty = False
        yield batch
    if empty:
        raise DataError(f"{path}: the file has columns but no rows: give another file")


def _csv_header(path: pathlib.Path) -> tuple[tuple[str, ...], bool]:
    """Returns the column names, and whether the file's first line holds them."""
    try:
        with path.open(newline="", encoding=_ENCODING) as lines:
            fields = next(csv.reader(lines), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not a CSV text file ({error})") from error
    if not fields:
        raise DataError(f"{path}: the first line is empty: give a file with columns")
    separator = next((mark for mark in ";\t|" if mark in fields[0]), None)
    if len(fields) == 1 and separator is not None:
        raise DataError(
            f"{path}: expected columns separated by commas, received "
            f"{fields[0][:40]!r}: replace the separator {separator!r} by a comma"
        )
    if all(_is_number(field) for field in fields):
        return tuple(f"x{i}" for i in range(len(fields))), False
    names = (field.strip() or f"column{i}" for i, field in enumerate(fields))
    return tuple(names), True


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _iterate_csv(
    path: pathlib.Path, names: Sequence[str], batch_size: int | None
) -> Iterator[np.ndarray]:
    try:
        import pandas as pd
    except ImportError as error:
        raise missing_package("pandas", "cli", "reading .csv files") from error
    every, has_header = _csv_header(path)
    start = 1
    try:
        # Every column is parsed, and not only those in `names`: otherwise pandas
        # passes over lines that have too many fields.
        with pd.read_csv(
            path,
            names=list(every),
            header=0 if has_header else None,
            index_col=False,
            encoding=_ENCODING,
            skipinitialspace=True,
            float_precision="round_trip",
            # One dtype for a column: pandas otherwise infers each block anew.
            low_memory=False,
            iterator=True,
        ) as reader:
            while (frame := _next_frame(reader, batch_size)) is not None:
                yield _frame_to_float(path, frame, names, start)
                start += len(frame)
    except pd.errors.EmptyDataError as error:
        raise DataError(f"{path}: the file is empty: give another file") from error
    except pd.errors.ParserWarning as error:
        raise DataError(
            f"{path}: the lines have more fields than the {len(every)} names of the "
            "first line: name every column"
        ) from error
    except (pd.errors.ParserError, UnicodeDecodeError) as error:
        reason = str(error).replace("\n", " ").strip()
        raise DataError(
            f"{path}: not a well-formed CSV file ({reason}): mend or truncate it there"
        ) from error


def _next_frame(reader: Any, batch_size: int | None) -> Any:
    from pandas.errors import ParserWarning

    with warnings.catch_warnings():
        warnings.simplefilter("error", ParserWarning)
        try:
            frame = reader.get_chunk(batch_size)
        except StopIteration:
            return None
    return frame if len(frame) else None


def _frame_to_float(
    path: pathlib.Path, frame: Any, names: Sequence[str], start: int
) -> np.ndarray:
    return np.column_stack([_to_float(path, frame[name], start) for name in names])


def _to_float(path: pathlib.Path, column: Any, start: int) -> np.ndarray:
    """Converts one pandas column, naming the first cell that is not a number."""
    if column.dtype.kind in "fiub":
        return column.to_numpy("float64")
    import pandas as pd

    numbers = pd.to_numeric(column, errors="coerce")
    bad = np.flatnonzero((numbers.isna() & column.notna()).to_numpy())
    if len(bad) or numbers.dtype.kind not in "fiub":
        row = int(bad[0]) if len(bad) else 0
        raise _not_numeric(path, column.name, start + row, column.iloc[row])
    return numbers.to_numpy("float64")


def _not_numeric(path: pathlib.Path, name: str, row: int, value: Any) -> DataError:
    return DataError(
        f"{path}: column {name!r} is not numeric (row {row}: {str(value)[:40]!r}): "
        "leave it out with --exclude, or choose others with --columns"
    )


def _open_parquet(path: pathlib.Path) -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise missing_package("pyarrow", "cli", "reading .parquet files") from error
    try:
        return pyarrow.parquet.ParquetFile(path)
    except (pyarrow.ArrowException, OSError) as error:
        reason = str(error).replace("\n", " ")
        raise DataError(
            f"{path}: not a whole Parquet file ({reason}): write or copy it again"
        ) from error


def _iterate_parquet(
    path: pathlib.Path, names: Sequence[str], batch_size: int | None
) -> Iterator[np.ndarray]:
    file = _open_parquet(path)
    import pyarrow

    rows = batch_size or max(file.metadata.num_rows, 1)
    start = 1
    try:
        for batch in file.iter_batches(batch_size=rows, columns=list(names)):
            if batch.num_rows:
                yield np.column_stack(
                    [_arrow_to_float(path, batch, name, start) for name in names]
                )
            start += batch.num_rows
    except (pyarrow.ArrowException, OSError) as error:
        reason = str(error).replace("\n", " ")
        raise DataError(
            f"{path}: not a whole Parquet file ({reason}): write or copy it again"
        ) from error


def _arrow_to_float(
    path: pathlib.Path, batch: Any, name: str, start: int
) -> np.ndarray:
    import pyarrow

    column = batch.column(batch.schema.get_field_index(name))
    kinds = pyarrow.types
    numeric = any(
        test(column.type)
        for test in (
            kinds.is_integer,
            kinds.is_floating,
            kinds.is_boolean,
            kinds.is_decimal,
            kinds.is_null,
        )
    )
    if not numeric:
        raise _not_numeric(path, name, start, column[0].as_py())
    # Integers above 2^53 lose digits here, as in every float64 table.
    column = column.cast(pyarrow.float64(), safe=False)
    return column.to_numpy(zero_copy_only=False)
