"""A complete run, read back: what `score`, `sample` and `evaluate` start from."""

import dataclasses
import pathlib
from typing import TYPE_CHECKING

import numpy as np

from tfp_flows.cli.errors import RunError
from tfp_flows.cli.results.model_file import load_model
from tfp_flows.cli.runs.contents import LOCK
from tfp_flows.cli.runs.files import reading
from tfp_flows.cli.runs.lock import check_unlocked
from tfp_flows.cli.runs.record import RunRecord
from tfp_flows.data import DataError, Schema, stream_rows

if TYPE_CHECKING:
    from tfp_flows.cli.results.comparison import Yardsticks
    from tfp_flows.models import AlignFlow, DensityModel

__all__ = [
    "EXTRAPOLATED",
    "FittedRun",
    "HELD_OUT",
    "MODEL",
    "PREFIX",
    "SAVED_MODEL",
    "YARDSTICKS",
    "is_extrapolated",
]

MODEL = "model.keras"
SAVED_MODEL = "saved_model"
HELD_OUT = "held_out.npz"
PREFIX = "log_density_"
YARDSTICKS = "yardsticks.npz"

EXTRAPOLATED = 0.01


def is_extrapolated(ranks: np.ndarray, num_references: int) -> np.ndarray:
    """Whether rows are as unlikely as 1 % of the held-out ones, or more than all.

    Args:
        ranks: p-values, any shape.
        num_references: number of held-out rows that they are of.
    """
    return ranks <= max(EXTRAPOLATED, 1 / (num_references + 1))


@dataclasses.dataclass(frozen=True)
class FittedRun:
    """The folder DIR of a complete run.

    Attributes:
        folder: DIR.
        record: what the run was asked for and given.
    """

    folder: pathlib.Path
    record: RunRecord

    @classmethod
    def read(
        cls, folder: str | pathlib.Path, *, alignment: bool = False
    ) -> "FittedRun":
        """Reads the record; the model is not loaded yet.

        Args:
            folder: DIR.
            alignment: whether the run has to be of `align`, and not of `fit`.
        """
        path = pathlib.Path(folder)
        partial = path.with_name(path.name + ".partial")
        if not path.exists() and partial.exists():
            check_unlocked(partial / LOCK, f"{path}: a run is writing this folder")
            raise RunError(
                f"{path}: the run is not complete: repeat its command with --resume"
            )
        record = RunRecord.read(path)
        if record.is_alignment != alignment:
            wrote, reads = "fit", "score, sample and evaluate"
            if record.is_alignment:
                wrote, reads = "align", "translate"
            raise RunError(
                f"{path}: tfp-flows {wrote} wrote this folder, which is for tfp-flows "
                f"{reads}: give another folder or command"
            )
        return cls(path, record)

    @property
    def schema(self) -> Schema:
        """What a row of the data holds."""
        return self.record.schema

    def held_out(self) -> tuple[np.ndarray, np.ndarray | None]:
        """Returns the held-out rows' log-densities, and context if there is one."""
        arrays = self._arrays(HELD_OUT)
        with reading(self.folder / HELD_OUT):
            density, context = arrays["log_density"], arrays.get("context")
            given = 0 if context is None else context.shape[1]
        self._check_widths(HELD_OUT, self._widths[0], given)
        return density, context

    def read_context(self, source: str) -> np.ndarray:
        """Returns the context columns of a file or built-in set, [N, C].

        Raises:
            DataError: a column is missing, or a number is not finite.
        """
        known = self.schema
        schema = Schema(
            columns=known.context_columns,
            source_columns=known.source_columns,
            header=known.header,
            missing=known.missing,
            categories=known.categories,
        )
        blocks = stream_rows(source, schema, batch_size=65_536)
        context = np.concatenate([values for values, _ in blocks])
        if not np.isfinite(context).all():
            row, column = np.argwhere(~np.isfinite(context))[0]
            raise DataError(
                f"{source}: column {schema.columns[column]!r} is missing or infinite "
                f"in row {row + 1}: mend the cell or leave the row out"
            )
        return context

    def held_out_of_domains(self) -> dict[str, np.ndarray]:
        """Returns the held-out rows' log-densities by domain, of an alignment."""
        arrays = self._arrays(HELD_OUT)
        return {name.removeprefix(PREFIX): one for name, one in arrays.items()}

    def alignment(self) -> "AlignFlow":
        """Loads the model of an alignment."""
        model = load_model(self.folder / MODEL, len(self.schema.columns))
        size = int(np.prod(model.event_shape))
        self._check_widths(MODEL, size, model.context_size or 0)
        return model

    def model(self) -> "DensityModel":
        """Loads the model."""
        model = load_model(self.folder / MODEL, len(self.schema.columns))
        size = model.distribution.event_shape.num_elements()
        self._check_widths(MODEL, size, model.context_size or 0)
        return model

    def yardsticks(self) -> "Yardsticks":
        """Loads the yardsticks."""
        from tfp_flows.cli.results.comparison import Yardsticks

        arrays = self._arrays(YARDSTICKS)
        with reading(self.folder / YARDSTICKS):
            yardsticks = Yardsticks.from_arrays(arrays)
            given = yardsticks.gaussian.context_size
            size = len(yardsticks.gaussian.shift) - given
        fixed = self._widths[0] - self.schema.degrees_of_freedom
        self._check_widths(YARDSTICKS, size + fixed, given)
        return yardsticks

    @property
    def _widths(self) -> tuple[int, int]:
        return len(self.schema.columns), len(self.schema.context_columns)

    def _check_widths(self, name: str, num_columns: int, num_context: int) -> None:
        """Refuses files that are not of one run."""
        if (num_columns, num_context) != self._widths:
            raise RunError(
                f"{self.folder}: run.json is of {self._widths[0]} columns and "
                f"{self._widths[1]} of context, {name} of {num_columns} and "
                f"{num_context}: bring back the file of the same run, or fit the model "
                "again with --overwrite"
            )

    def _arrays(self, name: str) -> dict[str, np.ndarray]:
        path = self.folder / name
        # NumPy leaves a file open that turns out to be no archive.
        with reading(path), path.open("rb") as stream, np.load(stream) as arrays:
            return dict(arrays)
