"""`tfp-flows sample`: rows from the model, in the data's units and column names."""

import argparse

import numpy as np

from tfp_flows.cli.errors import RunError
from tfp_flows.cli.results.fitted import FittedRun
from tfp_flows.cli.results.writers import (
    ENDINGS,
    column_types,
    write_lines,
    write_rows,
)
from tfp_flows.cli.runs.files import new_file
from tfp_flows.cli.runs.target import announce, check_target, new_text
from tfp_flows.cli.startup import load_tensorflow

__all__ = ["run"]


def run(namespace: argparse.Namespace) -> None:
    """Draws rows from the model and writes them to a file."""
    target = check_target(
        namespace.out,
        ENDINGS,
        run=namespace.run,
        data=namespace.context_data,
        overwrite=namespace.overwrite,
    )
    fitted = FittedRun.read(namespace.run)
    context = _context(fitted, namespace.context_data)
    load_tensorflow()
    from tfp_flows.cli.rows import draw_rows

    model = fitted.model()
    if context is not None and namespace.context_data is None:
        names = ", ".join(fitted.schema.context_columns)
        announce(f"context ({names}): of the held-out rows, in turn", target)
    blocks = draw_rows(
        model, fitted.schema, namespace.n, seed=namespace.seed, context=context
    )
    if target is None:
        with new_text(target) as lines:
            write_lines(lines, fitted.schema, blocks)
    else:
        with new_file(target) as beside:
            types = column_types(namespace.context_data, context, fitted.schema)
            write_rows(beside, fitted.schema, blocks, types)
    announce(f"{namespace.n:,} rows drawn: {namespace.out}", target)


def _context(fitted: FittedRun, source: str | None) -> np.ndarray | None:
    names = fitted.schema.context_columns
    if not names:
        if source is not None:
            raise RunError(
                f"--context-data: the model in {fitted.folder} conditions on nothing: "
                "leave it out"
            )
        return None
    if source is None:
        return fitted.held_out()[1]
    return fitted.read_context(source)
