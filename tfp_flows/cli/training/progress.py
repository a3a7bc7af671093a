"""Where a training stands, on disk: what a killed run goes on from."""

import dataclasses
import json
import math
import pathlib

from tfp_flows.cli.runs.files import reading, write_json
from tfp_flows.cli.runs.folder import STATE

__all__ = ["Progress"]


@dataclasses.dataclass
class Progress:
    """Where training stands: the file `state.json`, which names the checkpoints.

    Attributes:
        epoch: number of complete epochs.
        last: file with the model and optimizer after `epoch`.
        best: file with those of the best epoch.
        best_loss: best validation loss, in nats a row.
        wait: epochs since the best.
        history: one record for each complete epoch.
        seconds: time spent on the complete epochs.
    """

    epoch: int = 0
    last: str = ""
    best: str = ""
    best_loss: float = math.inf
    wait: int = 0
    history: list[dict[str, float]] = dataclasses.field(default_factory=list)
    seconds: float = 0.0

    @classmethod
    def read(cls, folder: pathlib.Path) -> "Progress | None":
        """Returns the progress of the run in a folder; None before its first file."""
        path = folder / STATE
        if not path.exists():
            return None
        with reading(path):
            return cls(**json.loads(path.read_text()))

    @property
    def best_epoch(self) -> int:
        """Number of epochs after which the best weights were reached."""
        return self.epoch - self.wait

    @property
    def calls(self) -> str | None:
        """Calls that a validation row's solve took then; None of a flow of no solves.

        Of a mixture those of the flow that was trained last.
        """
        record = self.history[max(self.best_epoch, 1) - 1] if self.history else {}
        if "val_calls" not in record:
            return None
        return f"mean {record['val_calls']:.1f}, most {record['val_most_calls']:.0f}"

    def write(self, folder: pathlib.Path) -> None:
        """Writes the state to a folder, and removes checkpoints it does not name."""
        write_json(folder / STATE, dataclasses.asdict(self))
        for path in folder.glob("epoch-*.keras"):
            if path.name not in (self.last, self.best):
                path.unlink()

    def remove(self, folder: pathlib.Path) -> None:
        """Removes the state and all checkpoints of a complete run."""
        # The state goes first, so that it never names a file that is gone.
        (folder / STATE).unlink(missing_ok=True)
        for path in folder.glob("epoch-*.keras"):
            path.unlink()
