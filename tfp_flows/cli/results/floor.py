"""The floor of a run: the best likelihood that linear flows reach on the same rows."""

import math
from typing import NamedTuple

import numpy as np

from tfp_flows.cli.results.comparison import joined_rows
from tfp_flows.data import Table
from tfp_flows.diagnostics import linear_flow_optimum

__all__ = ["Floor", "linear_floor"]


class Floor(NamedTuple):
    """What a flow has to beat, mean log-likelihoods in nats a row.

    Attributes:
        fitted: on the training rows; None where there is no floor.
        held_out: on the test rows; None where there is no floor.
        refusal: why there is none.
        levels_size: D of images in integer levels, for bits per dimension.
    """

    fitted: float | None = None
    held_out: float | None = None
    refusal: str | None = None
    levels_size: int | None = None

    def line(self) -> str:
        """One line to print below the table of results."""
        if self.held_out is None or self.fitted is None:
            return f"no floor of linear flows: {self.refusal}"
        bits = ""
        if self.levels_size is not None:
            bits = (
                f" ({-self.held_out / (self.levels_size * math.log(2)):.4f} bits/dim)"
            )
        return (
            f"floor, the optimum of linear flows: {self.held_out:.3f}{bits}, "
            f"on the training rows {self.fitted:.3f}"
        )


def linear_floor(train: Table, test: Table, step: np.ndarray) -> Floor:
    """Returns the optimum of linear flows fitted to `train`, judged on `test`.

    With context it is that of conditional ones: ``log p(x, c) − log p(c)``, both at
    their optimum.

    Args:
        train: Rows the flow was fitted to.
        test: Rows it is reported on.
        step: `[D]`, step of the grid of each dequantized column, else 0.
    """
    fitted_rows, held_out_rows = joined_rows(train, step), joined_rows(test, step)
    size = len(train.columns)
    try:
        joint = linear_flow_optimum(fitted_rows, x_heldout=held_out_rows)
        parts = [joint.log_likelihood, joint.heldout_log_likelihood or 0.0]
        if train.context is not None:
            given = linear_flow_optimum(
                fitted_rows[:, size:], x_heldout=held_out_rows[:, size:]
            )
            parts[0] -= given.log_likelihood
            parts[1] -= given.heldout_log_likelihood or 0.0
    except ValueError as error:
        return Floor(refusal=str(error))
    levels = None if train.schema.levels is None else size
    return Floor(parts[0], parts[1], levels_size=levels)
