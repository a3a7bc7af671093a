"""`tfp-flows translate`: rows of one domain as rows of another, streamed."""

import argparse
import dataclasses
import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from tfp_flows.cli.errors import RunError
from tfp_flows.cli.results.fitted import FittedRun, is_extrapolated
from tfp_flows.cli.results.writers import ENDINGS, write_lines, write_rows
from tfp_flows.cli.runs.files import new_file
from tfp_flows.cli.runs.target import announce, check_target, new_text
from tfp_flows.cli.startup import load_tensorflow
from tfp_flows.data import DataError, Schema, stream_rows
from tfp_flows.diagnostics import p_values

if TYPE_CHECKING:
    from tfp_flows.models import AlignFlow

__all__ = ["run"]

_ROWS_AT_A_TIME = 8192

Block = tuple[np.ndarray, np.ndarray | None]


def run(namespace: argparse.Namespace) -> None:
    """Writes translated rows with their density and p-value in both domains."""
    source, target = getattr(namespace, "from"), namespace.to
    path = check_target(
        namespace.out,
        ENDINGS,
        run=namespace.run,
        data=namespace.data,
        overwrite=namespace.overwrite,
    )
    fitted = FittedRun.read(namespace.run, alignment=True)
    ends = _references(fitted, source, target)
    batches = _finite_rows(namespace.data, fitted.schema)
    # The first batch is read before TensorFlow loads: most mistakes show in it.
    first = next(batches)
    load_tensorflow()
    model, total = fitted.alignment(), 0

    def blocks() -> Iterator[Block]:
        nonlocal total
        for rows, context in itertools.chain([first], batches):
            total += len(rows)
            yield _translated(model, rows, context, ends), context

    schema = _schema(fitted.schema, source, target)
    if path is None:
        with new_text(path) as lines:
            write_lines(lines, schema, blocks())
    else:
        with new_file(path) as beside:
            write_rows(beside, schema, blocks())
    announce(f"{total:,} rows translated: {namespace.out}", path)


def _references(fitted: FittedRun, *ends: str) -> dict[str, np.ndarray]:
    """The held-out rows' log-densities of both ends of a translation."""
    known = fitted.held_out_of_domains()
    for name in ends:
        if name not in known:
            raise RunError(
                f"{fitted.folder}: there is no domain {name!r}: give one of "
                f"{', '.join(known)}"
            )
    if len(set(ends)) < 2:
        raise RunError(f"--from and --to are both {ends[0]!r}: give two domains")
    return {name: known[name] for name in ends}


def _translated(
    model: "AlignFlow",
    rows: np.ndarray,
    context: np.ndarray | None,
    ends: dict[str, np.ndarray],
) -> np.ndarray:
    """Rows, log-densities and p-values at both ends, and whether one is outside."""
    x = rows.astype(model.base.dtype.as_numpy_dtype)
    source, target = ends
    y = model.translate(x, source, target, context).numpy()
    scores, ranks, outside = [], [], np.zeros(len(x), bool)
    for (name, known), part in zip(ends.items(), (x, y), strict=True):
        score = model.log_prob(part, name, context).numpy().astype("float64")
        rank = p_values(np.nan_to_num(score, nan=-np.inf), known)
        outside |= is_extrapolated(rank, len(known))
        scores.append(score)
        ranks.append(rank)
    return np.column_stack([y, *scores, *ranks, outside])


def _schema(known: Schema, source: str, target: str) -> Schema:
    added = [
        f"{what}_{d}" for what in ("log_density", "p_value") for d in (source, target)
    ]
    columns = (*known.columns, *added, "extrapolated")
    return dataclasses.replace(
        known,
        columns=columns,
        source_columns=columns,
        integer_columns=("extrapolated",),
    )


def _finite_rows(source: str, schema: Schema) -> Iterator[Block]:
    start = 1
    for values, context in stream_rows(source, schema, _ROWS_AT_A_TIME):
        parts = [values] if context is None else [values, context]
        finite = np.isfinite(np.hstack(parts)).all(axis=1)
        if not finite.all():
            raise DataError(
                f"{source}: row {start + int(np.argmin(finite))} holds NaN or an "
                "infinity: mend it or leave it out"
            )
        yield values, context
        start += len(values)
