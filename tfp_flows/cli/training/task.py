"""One checked run, from which a training starts."""

import dataclasses
import pathlib

from tfp_flows import data
from tfp_flows.cli.runs.options import FitOptions

__all__ = ["Task"]

# Small tables get smaller batches: two steps an epoch would take many epochs.
_BATCH_SIZE, _SMALLEST_BATCH, _STEPS = 512, 32, 20


@dataclasses.dataclass(frozen=True)
class Task:
    """One run, checked: what remains is to train.

    Attributes:
        options: What was asked for.
        table: All rows.
        split: Which rows are for what.
        flow: Name of the architecture.
        schema: What a row holds, and which columns to dequantize.
        folder: Where to write.
    """

    options: FitOptions
    table: data.Table
    split: data.Split
    flow: str
    schema: data.Schema
    folder: pathlib.Path

    @property
    def batch_size(self) -> int:
        """Rows of a training step: what was asked for, or what suits the table."""
        num_rows = len(self.split.train)
        suited = min(_BATCH_SIZE, max(num_rows // _STEPS, _SMALLEST_BATCH))
        return min(self.options.batch_size or suited, num_rows)

    def part(self, name: str) -> data.Table:
        """Returns the rows of the part `train`, `validation` or `test`."""
        return self.table.take(getattr(self.split, name))
