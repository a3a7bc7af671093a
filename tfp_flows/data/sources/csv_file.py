"""Text files of columns separated by commas.

pandas reads them. pyarrow is three times as fast, but refuses the short lines that are
filled here with missing cells, and takes all that follows an unclosed quotation mark
for one cell, where pandas refuses the file.
"""

import functools
import pathlib
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tfp_flows.data.errors import DataError, missing_package
from tfp_flows.data.sources.csv_format import CsvFormat, not_decoded, read_format
from tfp_flows.data.sources.source import Source, refused
from tfp_flows.data.sources.text_cells import TextCells
from tfp_flows.data.table import Schema

__all__ = ["csv_source"]


def csv_source(
    path: pathlib.Path, header: bool | None = None, missing: tuple[str, ...] = ()
) -> Source:
    """Opens a `.csv` file.

    Args:
        path: the file.
        header: whether a first line that could be a row holds the columns' names; None:
            what the rows below it suggest. Without names they are `x0, x1, ...`.
        missing: cells that hold no number.
    """
    written = read_format(path, header, missing)
    read = functools.partial(_read, path, written, missing)
    return Source(
        str(path),
        Schema(written.names),
        read,
        header=written.header if written.in_doubt else None,
    )


def _read(
    path: pathlib.Path,
    written: CsvFormat,
    missing: Sequence[str],
    names: Sequence[str],
    size: int,
    text: TextCells,
) -> Iterator[np.ndarray]:
    try:
        import pandas as pd
    except ImportError as error:
        raise missing_package("pandas", "cli", "reading .csv files") from error
    malformed = (pd.errors.ParserError, pd.errors.EmptyDataError)
    what, remedy = "a well-formed CSV file", "mend or truncate it there"
    with (
        not_decoded(path),
        refused(path, what, remedy, *malformed),
        # Every column is parsed, and not only those in `names`: otherwise pandas
        # passes over lines that have too many fields.
        pd.read_csv(
            path,
            names=list(written.names),
            header=0 if written.header else None,
            index_col=False,
            sep=written.separator,
            decimal=written.decimal,
            na_values=list(missing),
            encoding=written.encoding,
            skipinitialspace=True,
            float_precision="round_trip",
            dtype=dict.fromkeys(text.categories.texts, str),
            # One dtype for a column of a batch: pandas otherwise infers it anew for
            # each block of bytes.
            low_memory=False,
            chunksize=size,
        ) as reader,
    ):
        start = 1
        while (frame := _next_frame(path, reader, len(written.names))) is not None:
            columns = [_to_float(name, frame[name], start, text) for name in names]
            yield np.column_stack(columns)
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


def _to_float(name: str, column: Any, start: int, text: TextCells) -> np.ndarray:
    """Converts one pandas column; cells that are no numbers are NaN, and noted."""
    import pandas as pd

    if name in text.categories.texts:
        return text.categories.encode(name, start, column)
    numbers = pd.to_numeric(column, errors="coerce")
    is_text = numbers.isna() & column.notna()
    text.add(name, start, column.to_numpy(), is_text.to_numpy())
    return numbers.to_numpy("float64")
