"""What a solve cost and how it ended, row by row."""

import enum
from typing import NamedTuple

import numpy as np
import tensorflow as tf

__all__ = ["SolveError", "Statistics", "Status"]


class Status(enum.IntEnum):
    """How the solve of a row ended; the number is what `Statistics.status` holds."""

    REACHED_END = 0
    TOO_MANY_STEPS = 1
    STEP_UNDERFLOW = 2
    NOT_FINITE = 3

    @property
    def remedy(self) -> str:
        """What happened and what to do, for a message."""
        return _REMEDIES[self]


_REMEDIES = {
    Status.REACHED_END: "reached the end",
    Status.TOO_MANY_STEPS: (
        "needed more than max_steps steps: allow more, or a larger tolerance; a "
        "smoother velocity (weight decay, trajectory regularization) needs fewer"
    ),
    Status.STEP_UNDERFLOW: (
        "needed steps below the resolution of time: use float64, or a larger tolerance"
    ),
    Status.NOT_FINITE: (
        "met a state or velocity that is not finite: look at these rows, or bound the "
        "velocity"
    ),
}


class SolveError(ArithmeticError):
    """A solve that did not reach its end."""


class Statistics(NamedTuple):
    """Counts and outcome of each row, [B], int32.

    Attributes:
        calls: evaluations of the velocity that the row needed; the batch took the
            largest of them.
        accepted: steps taken.
        rejected: steps tried and taken back.
        status: a `Status`.
    """

    calls: tf.Tensor
    accepted: tf.Tensor
    rejected: tf.Tensor
    status: tf.Tensor

    @property
    def failed(self) -> tf.Tensor:
        """[B], whether the row did not reach the end."""
        return self.status != Status.REACHED_END

    def message(self) -> str | None:
        """Says which rows failed and what to do; None where none did. Eager only."""
        status = np.asarray(self.status)
        found = [kind for kind in Status if kind and np.any(status == kind)]
        if not found:
            return None
        parts = []
        for kind in found:
            rows = np.flatnonzero(status == kind)
            parts.append(f"{len(rows)} (the first is row {rows[0]}) {kind.remedy}")
        return f"Of {status.size} rows of an ODE, " + "; ".join(parts) + "."

    def check(self) -> None:
        """Raises `SolveError` unless all rows reached the end. Eager only."""
        message = self.message()
        if message is not None:
            raise SolveError(message)
