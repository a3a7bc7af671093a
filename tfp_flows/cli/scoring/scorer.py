"""The core of `score`, whichever engine drives it: one file in, one file out."""

import contextlib
import dataclasses
import itertools
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tfp_flows.cli.runs.files import new_file
from tfp_flows.cli.runs.target import new_text
from tfp_flows.data import DataError, Schema, missing_package, stream_rows
from tfp_flows.diagnostics import p_values

__all__ = ["Scorer", "finite_rows"]

_ROWS_AT_A_TIME = 8192

Batch = tuple[np.ndarray, np.ndarray | None]
Rows = Iterator[tuple[Batch, np.ndarray]]


@dataclasses.dataclass(frozen=True)
class Scorer:
    """Writes the log-density and the p-value of each row.

    A row so far out that its log-density is no finite number gets minus infinity and
    the smallest p-value, 1 / (n + 1) with n held-out rows.

    Attributes:
        log_density: values [N, D] and context [N, C] → nats, [N].
        reference: [n], log-densities of the held-out rows.
    """

    log_density: Callable[[np.ndarray, np.ndarray | None], np.ndarray]
    reference: np.ndarray

    def write(self, rows: Rows, target: pathlib.Path | None) -> int:
        """Scores rows; returns how many. The file is there when it is complete.

        Args:
            rows: of `finite_rows`; those left out have empty scores.
            target: a .csv or .parquet file, None for the standard output.
        """
        count = 0
        with _writer(target) as write:
            for batch, finite in rows:
                scores = np.full([2, len(finite)], np.nan)
                density = self.log_density(*batch)
                scores[:, finite] = density, p_values(density, self.reference)
                write(*scores, ~finite)
                count += len(finite)
        return count


def finite_rows(source: str, schema: Schema, *, drop_invalid: bool) -> Rows:
    """Returns the rows without NaN or infinities, and the mask of where they were.

    The first are read at once, as most mistakes show in them.

    Args:
        source: a file or built-in set.
        schema: what a row holds.
        drop_invalid: whether other rows are left out, or refused.
    """
    batches = _finite_rows(source, schema, drop_invalid=drop_invalid)
    return itertools.chain([next(batches)], batches)


def _finite_rows(source: str, schema: Schema, *, drop_invalid: bool) -> Rows:
    start = 1
    for values, context in stream_rows(source, schema, _ROWS_AT_A_TIME):
        finite = np.isfinite(values).all(axis=1)
        if context is not None:
            finite &= np.isfinite(context).all(axis=1)
        if not (drop_invalid or finite.all()):
            raise DataError(
                f"{source}: row {start + int(np.argmin(finite))} holds NaN or an "
                "infinity: add --drop-invalid to leave the scores of such rows empty"
            )
        kept = None if context is None else context[finite]
        yield (values[finite], kept), finite
        start += len(values)


@contextlib.contextmanager
def _writer(target: pathlib.Path | None) -> Iterator[Callable[..., None]]:
    """Yields a function to write log-densities, p-values and which are empty."""
    if target is not None and target.suffix.lower() == ".parquet":
        with _parquet(target) as write:
            yield write
        return
    with new_text(target) as lines:
        lines.write("log_density,p_value\n")

        def write_lines(*columns: np.ndarray) -> None:
            lines.writelines(
                ",\n" if empty else f"{score:.9g},{p:.6g}\n"
                for score, p, empty in zip(*columns, strict=True)
            )

        yield write_lines


@contextlib.contextmanager
def _parquet(target: pathlib.Path) -> Iterator[Callable[..., None]]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise missing_package("pyarrow", "cli", "writing .parquet files") from error
    names = ["log_density", "p_value"]
    schema = pyarrow.schema([(name, pyarrow.float64()) for name in names])
    with (
        new_file(target) as partial,
        pyarrow.parquet.ParquetWriter(partial, schema) as writer,
    ):

        def write(score: np.ndarray, p: np.ndarray, empty: np.ndarray) -> None:
            columns: list[Any] = [pyarrow.array(x, mask=empty) for x in (score, p)]
            writer.write_table(pyarrow.table(columns, schema=schema))

        yield write
