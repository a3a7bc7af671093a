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
from tfp_flows.data import Schema

if TYPE_CHECKING:
    from tfp_flows.cli.results.comparison import Yardsticks
    from tfp_flows.models import DensityModel

__all__ = ["FittedRun", "HELD_OUT", "MODEL", "YARDSTICKS"]

MODEL = "model.keras"
HELD_OUT = "held_out.npz"
YARDSTICKS = "yardsticks.npz"


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
    def read(cls, folder: str | pathlib.Path) -> "FittedRun":
        """Reads the record; the model is not loaded yet."""
        path = pathlib.Path(folder)
        partial = path.with_name(path.name + ".partial")
        if not path.exists() and partial.exists():
            check_unlocked(partial / LOCK, f"{path}: a run is writing this folder")
            raise RunError(
                f"{path}: the run is not complete: repeat its command with --resume"
            )
        return cls(path, RunRecord.read(path))

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
