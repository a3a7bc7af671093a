"""How a text file is written: its encoding, separator, decimal mark and first line."""

import codecs
import contextlib
import csv
import dataclasses
import itertools
import pathlib
import re

from tfp_flows.data.errors import DataError
from tfp_flows.data.sources.header import could_be_row, is_header
from tfp_flows.data.sources.source import refused

__all__ = ["CsvFormat", "not_decoded", "read_format"]

# What the format is told by: so many bytes, and at least so many lines.
_BYTES, _LINES = 2**16, 20

# The comma comes last: in a file of decimal commas it parts numbers too.
_SEPARATORS = "\t;|"

_NUMBER = r"\s*[+-]?\d*{}\d+(?:[eE][+-]?\d+)?\s*"
_WITH_COMMA = re.compile(_NUMBER.format(","))
_WITH_POINT = re.compile(_NUMBER.format(r"\."))


@dataclasses.dataclass(frozen=True)
class CsvFormat:
    """What a reader has to know of a file.

    Attributes:
        encoding: UTF-8, or UTF-16 where the file begins with its mark.
        separator: between cells.
        decimal: mark between a number's whole part and its fraction.
        first: cells of the first line.
        header: whether these are names.
        in_doubt: whether they could be a row too.
    """

    encoding: str
    separator: str
    decimal: str
    first: tuple[str, ...]
    header: bool
    in_doubt: bool

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns: `x0, x1, ...` where the first line has none."""
        return tuple(
            (cell.strip() or f"column{i}") if self.header else f"x{i}"
            for i, cell in enumerate(self.first)
        )


def read_format(
    path: pathlib.Path, header: bool | None, missing: tuple[str, ...]
) -> CsvFormat:
    """Reads the format off the first lines of a file.

    Args:
        path: the file.
        header: whether a first line that could be a row holds names; None: what the
            rows below it suggest.
        missing: cells that hold no number.
    """
    with path.open("rb") as stream:
        start = stream.read(2)
    utf_16 = start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    # pandas decodes UTF-8 with or without a byte-order mark alike under this name.
    encoding = "utf-16" if utf_16 else "utf-8-sig"
    with (
        not_decoded(path),
        path.open(newline="", encoding=encoding) as text,
    ):
        lines = text.readlines(_BYTES)
        lines += itertools.islice(text, max(0, _LINES - len(lines)))
    if not lines[0].strip():
        raise DataError(f"{path}: the first line is empty: give a file with columns")
    separator = _separator(lines)
    first, *rows = _cells(lines, separator)
    _check_comment(path, first, rows)
    decimal = _decimal(path, separator, [first, *rows])
    in_doubt = could_be_row(first, rows, decimal, missing)
    if not in_doubt:
        header = True
    elif header is None:
        header = is_header(first, rows, decimal, missing)
    return CsvFormat(encoding, separator, decimal, tuple(first), header, in_doubt)


def not_decoded(path: pathlib.Path) -> contextlib.AbstractContextManager[None]:
    """Turns the error of a text in another encoding into one line."""
    remedy = (
        f"save it as UTF-8, as by iconv -f latin1 -t utf-8 {path.name} > utf8.csv "
        "where it is Latin-1"
    )
    return refused(path, "a text in UTF-8", remedy, UnicodeError)


def _cells(lines: list[str], separator: str) -> list[list[str]]:
    rows: list[list[str]] = []
    # A quotation mark that is not closed is refused by whoever reads the rows.
    with contextlib.suppress(csv.Error):
        rows.extend(csv.reader(lines, delimiter=separator, skipinitialspace=True))
    return [row for row in rows if row]


def _separator(lines: list[str]) -> str:
    """The mark that parts every line alike, else the comma."""
    for mark in _SEPARATORS:
        widths = {len(row) for row in _cells(lines, mark)}
        if len(widths) == 1 and widths != {1}:
            return mark
    return ","


def _check_comment(path: pathlib.Path, first: list[str], rows: list[list[str]]) -> None:
    if first[0].startswith("#") and rows and len(rows[0]) != len(first):
        raise DataError(
            f"{path}: the first line is a comment ({', '.join(first)[:40]!r}): take "
            f"such lines out, as by grep -v '^#' {path.name} > rows.csv"
        )


def _decimal(path: pathlib.Path, separator: str, rows: list[list[str]]) -> str:
    if separator == ",":
        return "."
    cells = list(itertools.chain.from_iterable(rows))
    comma = next(filter(_WITH_COMMA.fullmatch, cells), None)
    point = next(filter(_WITH_POINT.fullmatch, cells), None)
    if comma is not None and point is not None:
        raise DataError(
            f"{path}: some numbers have a decimal comma ({comma!r}), others a point "
            f"({point!r}): write all with one of them"
        )
    # Who separates by semicolons has another use for the comma.
    return "," if comma is not None or (separator == ";" and point is None) else "."
