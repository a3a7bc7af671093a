"""`tfp-flows predict`: mean, median and intervals of the targets of new rows."""

import argparse

import numpy as np

from tfp_flows.cli.errors import RunError
from tfp_flows.cli.results.fitted import FittedRun
from tfp_flows.cli.results.writers import quoted
from tfp_flows.cli.runs.target import announce, check_target, new_text
from tfp_flows.cli.startup import load_tensorflow

__all__ = ["run"]


def run(namespace: argparse.Namespace) -> None:
    """Writes a row of numbers for each row of features to a .csv file."""
    target = check_target(
        namespace.out,
        (".csv",),
        run=namespace.run,
        data=namespace.data,
        overwrite=namespace.overwrite,
    )
    fitted = FittedRun.read(namespace.run)
    if not fitted.schema.context_columns:
        raise RunError(
            f"{namespace.run}: the model conditions on nothing: fit one with --target, "
            "or use tfp-flows sample"
        )
    context = fitted.read_context(namespace.data)
    load_tensorflow()
    from tfp_flows.cli.rows import draw_forecasts
    from tfp_flows.distributions.structure import grid_step

    levels = set(namespace.intervals)
    points = sorted({0.5, *((1 + sign * p) / 2 for sign in (-1, 1) for p in levels)})
    names = ["mean", *(f"q{point:.6g}" for point in points)]
    columns = (quoted(f"{c}_{name}") for c in fitted.schema.columns for name in names)
    model = fitted.model()
    step = grid_step(model.distribution).reshape(-1)
    cell = np.where(step > 0, step, 1.0)
    blocks = draw_forecasts(model, context, namespace.draws, seed=namespace.seed)
    with new_text(target) as lines:
        lines.write(",".join(columns) + "\n")
        for draws in blocks:
            quantiles = np.quantile(draws, points, axis=0, method="weibull")
            quantiles = np.where(step > 0, np.rint(quantiles / cell) * cell, quantiles)
            numbers = np.concatenate([draws.mean(axis=0)[np.newaxis], quantiles])
            # A target's numbers beside each other, [n, D · numbers].
            rows = numbers.transpose(1, 2, 0).reshape(draws.shape[1], -1)
            for row in rows.tolist():
                lines.write(",".join(f"{number:.9g}" for number in row) + "\n")
    announce(f"{len(context):,} rows predicted: {namespace.out}", target)
