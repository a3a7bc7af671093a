"""One checked run, from which a training starts."""

import dataclasses
import functools
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
        options: what was asked for.
        table: all rows, or those that are kept of more.
        description: of the table.
        split: which rows are for what.
        flow: name of the architecture.
        schema: what a row holds, and which columns to dequantize.
        folder: where to write.
        num_streamed: how many rows an epoch reads; None of rows in memory.
    """

    options: FitOptions
    table: data.Table
    description: data.Description
    split: data.Split
    flow: str
    schema: data.Schema
    folder: pathlib.Path
    num_streamed: int | None = None

    @functools.cached_property
    def train(self) -> data.Table:
        """The rows to fit to, those of them that are in memory."""
        return self.table.take(self.split.train)

    @functools.cached_property
    def validation(self) -> data.Table:
        """The rows to stop on."""
        return self.table.take(self.split.validation)

    @functools.cached_property
    def test(self) -> data.Table:
        """The rows to report on."""
        return self.table.take(self.split.test)

    @property
    def num_training_rows(self) -> int:
        """How many rows an epoch visits: those of `train`, or of files."""
        return self.num_streamed or self.train.num_rows

    @functools.cached_property
    def streamed(self) -> data.StreamedRows | None:
        """The rows to fit to where they are not in memory."""
        if self.table.drawn_from is None:
            return None
        return data.StreamedRows(
            self.options.data,
            self.schema,
            (self.validation, self.test),
            copies=not self.table.repeats_by_nature,
        )

    @property
    def batch_size(self) -> int:
        """Rows of a training step: what was asked for, or what suits the table."""
        num_rows = self.num_training_rows
        suited = min(_BATCH_SIZE, max(num_rows // _STEPS, _SMALLEST_BATCH))
        return min(self.options.batch_size or suited, num_rows)

    @property
    def unit(self) -> str:
        """What the loss is counted in."""
        by_energy = self.options.objective == "energy"
        return "energy score" if by_energy else "nats"

    @property
    def counts(self) -> dict[str, int]:
        """Number of rows of each part."""
        return {
            "train": self.num_training_rows,
            "validation": self.validation.num_rows,
            "test": self.test.num_rows,
        }
