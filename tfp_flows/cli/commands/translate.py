"""`tfp-flows translate`: rows of one domain as rows of another, streamed."""

import argparse
import dataclasses
import itertools
from collections.abc import Iterator

import numpy as np

from tfp_flows.cli.errors import RunError
from tfp_flows.cli.results.fitted import FittedRun, is_extrapolated
from tfp_flows.cli.results.writers import ENDINGS, write_lines, write_rows
from tfp_flows.cli.runs.files import new_file
from tfp_flows.cli.runs.target import announce, check_target, new_text
from tfp_flows.cli.startup import load_tensorflow
from tfp_flows.data import DataError, Schema, stream_rows
from tfp_flows.diagnostics import p_values

__all__ = ["run"]

_ROWS_AT_A_TIME = 8192


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
    references = fitted.held_out_of_domains()
    for name in (source, target):
        if name not in references:
            raise RunError(
                f"{namespace.run}: there is no domain {name!r}: give one of "
                f"{', '.join(references)}"
            )
    batches = _finite_rows(namespace.data, fitted.schema)
    # The first batch is read before TensorFlow loads: most mistakes show in it.
    first = next(batches)
    load_tensorflow()
    model, total = fitted.alignment(), 0

    def blocks() -> Iterator[tuple[np.ndarray, None]]:
        nonlocal total
        for rows in itertools.chain([first], batches):
            x = rows.astype(model.base.dtype.as_numpy_dtype)
            y = model.translate(x, source, target).numpy()
            scores = [
                model.log_prob(rows, name).numpy().astype("float64")
                for rows, name in ((x, source), (y, target))
            ]
            ends = [references[name] for name in (source, target)]
            ranks = [
                p_values(np.nan_to_num(one, nan=-np.inf), known)
                for one, known in zip(scores, ends, strict=True)
            ]
            outside = np.logical_or(
                *(is_extrapolated(p, len(r)) for p, r in zip(ranks, ends, strict=True))
            )
            total += len(rows)
            yield np.column_stack([y, *scores, *ranks, outside]), None

    schema = _schema(fitted.schema, source, target)
    if path is None:
        with new_text(path) as lines:
            write_lines(lines, schema, blocks())
    else:
        with new_file(path) as beside:
            write_rows(beside, schema, blocks())
    announce(f"{total:,} rows translated: {namespace.out}", path)


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


def _finite_rows(source: str, schema: Schema) -> Iterator[np.ndarray]:
    start = 1
    for values, _ in stream_rows(source, schema, _ROWS_AT_A_TIME):
        finite = np.isfinite(values).all(axis=1)
        if not finite.all():
            raise DataError(
                f"{source}: row {start + int(np.argmin(finite))} holds NaN or an "
                "infinity: mend it or leave it out"
            )
        yield values
        start += len(values)
