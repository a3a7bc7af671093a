"""`tfp-flows score`: the log-density and outlier p-value of each row, streamed."""

import argparse
import itertools
from collections.abc import Iterator

import numpy as np

from tfp_flows.cli.results.fitted import FittedRun
from tfp_flows.cli.runs.target import announce, check_target, new_text
from tfp_flows.cli.startup import load_tensorflow
from tfp_flows.data import DataError, Schema, stream_rows
from tfp_flows.diagnostics import p_values

__all__ = ["run"]

_ROWS_AT_A_TIME = 8192

Batch = tuple[np.ndarray, np.ndarray | None]


def run(namespace: argparse.Namespace) -> None:
    """Writes the log-density and the p-value of each row to a .csv file.

    A row so far out that its log-density is no finite number gets minus infinity and
    the smallest p-value, 1 / (n + 1) with n held-out rows.
    """
    target = check_target(
        namespace.out,
        (".csv",),
        run=namespace.run,
        data=namespace.data,
        overwrite=namespace.overwrite,
    )
    fitted = FittedRun.read(namespace.run)
    batches = _finite_rows(
        namespace.data, fitted.schema, drop_invalid=namespace.drop_invalid
    )
    # The first batch is read before TensorFlow loads: most mistakes show in it.
    first = next(batches)
    reference, _ = fitted.held_out()
    load_tensorflow()
    from tfp_flows.cli.rows import log_density_function

    log_density = log_density_function(fitted.model())
    rows = 0
    with new_text(target) as lines:
        lines.write("log_density,p_value\n")
        for (values, context), finite in itertools.chain([first], batches):
            scores = log_density(values, context)
            pairs = zip(scores, p_values(scores, reference), strict=True)
            text = (f"{score:.9g},{p:.6g}\n" for score, p in pairs)
            lines.writelines(next(text) if scored else ",\n" for scored in finite)
            rows += len(finite)
    announce(f"{rows:,} rows scored: {namespace.out}", target)


def _finite_rows(
    source: str, schema: Schema, *, drop_invalid: bool
) -> Iterator[tuple[Batch, np.ndarray]]:
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
