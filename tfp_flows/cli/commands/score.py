"""`tfp-flows score`: the log-density and outlier p-value of each row, streamed."""

import argparse
import itertools
import pathlib
from collections.abc import Callable, Iterator

import numpy as np

from tfp_flows.cli.results.fitted import MODEL, FittedRun
from tfp_flows.cli.runs.shards import Shards, is_pattern
from tfp_flows.cli.runs.target import announce, check_target, new_text
from tfp_flows.cli.startup import load_tensorflow
from tfp_flows.data import DataError, Schema, stream_rows
from tfp_flows.diagnostics import p_values

__all__ = ["run"]

_ROWS_AT_A_TIME = 8192

Batch = tuple[np.ndarray, np.ndarray | None]
Rows = Iterator[tuple[Batch, np.ndarray]]
Scores = tuple[np.ndarray, np.ndarray]
Scorer = Callable[[np.ndarray, np.ndarray | None], Scores]


def run(namespace: argparse.Namespace) -> None:
    """Writes the log-density and the p-value of each row to a .csv file.

    A row so far out that its log-density is no finite number gets minus infinity and
    the smallest p-value, 1 / (n + 1) with n held-out rows. Of a pattern of files each
    has its own scores; those that are complete are not computed again.
    """
    if is_pattern(namespace.data):
        _score_shards(namespace)
        return
    target = check_target(
        namespace.out,
        (".csv",),
        run=namespace.run,
        data=namespace.data,
        overwrite=namespace.overwrite,
    )
    fitted = FittedRun.read(namespace.run)
    rows = _rows(namespace, fitted, namespace.data)
    count = _write(_scorer(fitted), rows, target)
    announce(f"{count:,} rows scored: {namespace.out}", target)


def _score_shards(namespace: argparse.Namespace) -> None:
    shards = Shards.find(namespace.data, namespace.out)
    fitted = FittedRun.read(namespace.run)
    shards.claim(fitted.folder / MODEL, overwrite=namespace.overwrite)
    missing = shards.missing
    done, count = len(shards.pairs) - len(missing), 0
    if missing:
        scorer = _scorer(fitted)
    for number, (source, target) in enumerate(missing, start=done + 1):
        rows = _write(scorer, _rows(namespace, fitted, str(source)), target)
        print(f"{number}/{len(shards.pairs)}  {rows:,} rows  {target}", flush=True)
        count += rows
    there = f"; {done} files had their scores" if done else ""
    print(f"{count:,} rows scored: {namespace.out}{there}")


def _rows(namespace: argparse.Namespace, fitted: FittedRun, source: str) -> Rows:
    """The rows; the first are read at once, as most mistakes show in them."""
    batches = _finite_rows(source, fitted.schema, drop_invalid=namespace.drop_invalid)
    return itertools.chain([next(batches)], batches)


def _scorer(fitted: FittedRun) -> Scorer:
    """Returns a function to log-densities and p-values."""
    reference, _ = fitted.held_out()
    load_tensorflow()
    from tfp_flows.cli.rows import log_density_function

    log_density = log_density_function(fitted.model())

    def scored(values: np.ndarray, context: np.ndarray | None) -> Scores:
        scores = log_density(values, context)
        return scores, p_values(scores, reference)

    return scored


def _write(scorer: Scorer, rows: Rows, target: pathlib.Path | None) -> int:
    count = 0
    with new_text(target) as lines:
        lines.write("log_density,p_value\n")
        for batch, finite in rows:
            pairs = zip(*scorer(*batch), strict=True)
            text = (f"{score:.9g},{p:.6g}\n" for score, p in pairs)
            lines.writelines(next(text) if scored else ",\n" for scored in finite)
            count += len(finite)
    return count


def _finite_rows(source: str, schema: Schema, *, drop_invalid: bool) -> Rows:
    """Yields the rows without NaN or infinities, and the mask of where they were."""
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
