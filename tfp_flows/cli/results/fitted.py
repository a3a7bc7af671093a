"""A complete run, read back: what `score`, `sample` and `evaluate` start from."""

import dataclasses
import pathlib
from typing import TYPE_CHECKING

import numpy as np

from tfp_flows.cli.errors import RunError
from tfp_flows.cli.runs.files import reading
from tfp_flows.cli.runs.folder import RunRecord
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
        if not path.exists() and path.with_name(path.name + ".partial").exists():
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
            return arrays["log_density"], arrays.get("context")

    def model(self) -> "DensityModel":
        """Loads the model."""
        import keras

        # Registers the classes that the file names.
        import tfp_flows.models  # noqa: F401

        path = self.folder / MODEL
        with reading(path):
            return keras.models.load_model(path, compile=False)

    def yardsticks(self) -> "Yardsticks":
        """Loads the yardsticks."""
        from tfp_flows.cli.results.comparison import Yardsticks

        arrays = self._arrays(YARDSTICKS)
        with reading(self.folder / YARDSTICKS):
            return Yardsticks.from_arrays(arrays)

    def _arrays(self, name: str) -> dict[str, np.ndarray]:
        path = self.folder / name
        # NumPy leaves a file open that turns out to be no archive.
        with reading(path), path.open("rb") as stream, np.load(stream) as arrays:
            return dict(arrays)
