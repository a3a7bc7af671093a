"""The floor of a run: the best likelihood that linear flows reach on the same rows."""

import math
from typing import NamedTuple

import numpy as np

from tfp_flows.cli.results.comparison import log_cell_size
from tfp_flows.data import Schema
from tfp_flows.diagnostics import linear_flow_optimum

__all__ = ["Floor", "linear_floor"]


class Floor(NamedTuple):
    """What a flow has to beat, mean log-likelihoods in nats a row.

    Attributes:
        fitted: on the training rows; None where there is no floor.
        held_out: on the test rows; None where there is no floor.
        validation: on the validation rows; None where there is no floor.
        refusal: why there is none.
        levels_size: D of images in integer levels, for bits per dimension.
    """

    fitted: float | None = None
    held_out: float | None = None
    validation: float | None = None
    refusal: str | None = None
    levels_size: int | None = None

    def line(self) -> str:
        """One line to print below the table of results."""
        if self.held_out is None or self.fitted is None:
            return f"no floor of linear flows: {self.refusal}"
        bits = ""
        if self.levels_size is not None:
            per_dimension = -self.held_out / (self.levels_size * math.log(2))
            bits = f" ({per_dimension:.4f} bits/dim)"
        return (
            f"floor, the optimum of linear flows: {self.held_out:.3f}{bits}, "
            f"on the training rows {self.fitted:.3f}"
        )


def linear_floor(
    train: np.ndarray,
    validation: np.ndarray,
    test: np.ndarray,
    schema: Schema,
    step: np.ndarray,
) -> Floor:
    """Returns the optimum of linear flows fitted to `train`, judged on other rows.

    With context it is that of conditional ones: log p(x, c) − log p(c), both at
    their optimum.

    Args:
        train: rows the flow was fitted to, [N, D + C], dequantized values and context.
        validation: rows it was stopped on, likewise.
        test: rows it is reported on, likewise.
        schema: what a row of the data holds.
        step: [D], step of the grid of each column; 0 for a continuous one.
    """
    size = schema.degrees_of_freedom
    try:
        levels = _levels(train, validation, test)
        if schema.context_columns:
            levels -= _levels(*(part[:, size:] for part in (train, validation, test)))
    except ValueError as error:
        return Floor(refusal=str(error))
    fitted, validated, held_out = (levels + log_cell_size(step)).tolist()
    size_of_levels = None if schema.levels is None else size
    return Floor(fitted, held_out, validated, levels_size=size_of_levels)


def _levels(train: np.ndarray, *others: np.ndarray) -> np.ndarray:
    """Mean log-likelihoods at the optimum: of the rows it is fitted to, of others."""
    optimum = linear_flow_optimum(train)
    means = [optimum.log_prob(rows).mean() for rows in others]
    return np.array([optimum.log_likelihood, *means])
