"""`tfp-flows evaluate`: the likelihood of new rows beside the yardsticks'."""

import argparse

from tfp_flows.cli.errors import RunError
from tfp_flows.cli.results.comparison import (
    compare,
    extreme_row,
    format_table,
    joined_rows,
)
from tfp_flows.cli.results.fitted import FittedRun
from tfp_flows.cli.startup import load_tensorflow
from tfp_flows.data import check_finite, load_like

__all__ = ["run"]


def run(namespace: argparse.Namespace) -> None:
    """Prints the likelihoods of rows under the model and the yardsticks."""
    fitted = FittedRun.read(namespace.run)
    table = load_like(
        namespace.data, fitted.schema, drop_invalid=namespace.drop_invalid
    )
    check_finite(table)
    if table.num_rows < 2:
        raise RunError(
            f"{namespace.data}: expected at least 2 rows, received 1: a standard error "
            "needs more, or use tfp-flows score"
        )
    load_tensorflow()
    from tfp_flows.cli.rows import log_density_function

    log_density = log_density_function(fitted.model())
    yardsticks = fitted.yardsticks()
    densities = {
        "flow": log_density(table.values, table.context),
        **yardsticks.log_densities(joined_rows(table, yardsticks.step)),
    }
    results = compare(densities, table.schema)
    dropped = f", {table.dropped:,} dropped" if table.dropped else ""
    heading = f"{table.name} ({table.num_rows:,} rows{dropped})"
    print(format_table(heading, results))
    if (line := extreme_row(table, densities)) is not None:
        print(line)
