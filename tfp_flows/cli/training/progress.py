"""Where a training stands, on disk: what a killed run goes on from."""

import dataclasses
import json
import math
import pathlib
from typing import Any

from tfp_flows.cli.runs.contents import STATE
from tfp_flows.cli.runs.files import reading, write_json

__all__ = ["Progress"]


@dataclasses.dataclass
class Progress:
    """Where training stands: the file `state.json`, which names the checkpoints.

    Attributes:
        epoch: number of complete epochs.
        last: file with the model and optimizer after `epoch`.
        best: file with those of the best epoch.
        best_loss: best validation loss, in nats a row; the start's is one of them.
        best_epoch: number of epochs after which it was reached.
        wait: epochs since the best one that was trained.
        history: one record for each complete epoch, and one for the start, epoch 0.
        seconds: time spent on the complete epochs.
        start: fields of the `Start` that was chosen.
    """

    epoch: int = 0
    last: str = ""
    best: str = ""
    best_loss: float = math.inf
    best_epoch: int = 0
    wait: int = 0
    history: list[dict[str, float]] = dataclasses.field(default_factory=list)
    seconds: float = 0.0
    start: dict[str, Any] = dataclasses.field(default_factory=dict)

    @classmethod
    def read(cls, folder: pathlib.Path) -> "Progress | None":
        """Returns the progress of the run in a folder; None before its first file."""
        path = folder / STATE
        if not path.exists():
            return None
        with reading(path):
            content = json.loads(path.read_text())
            records = [
                {name: _number(value) for name, value in record.items()}
                for record in content["history"]
            ]
            best = _number(content["best_loss"])
            return cls(**{**content, "best_loss": best, "history": records})

    @property
    def trained_losses(self) -> list[float]:
        """Validation losses of the epochs, without the start's."""
        return [record["val_loss"] for record in self.history if record["epoch"] > 0]

    @property
    def calls(self) -> str | None:
        """Calls of a validation row's solve at the best epoch; None without solves.

        Those after the first epoch where the start was best, which has no record of
        them.
        """
        records = [record for record in self.history if "val_calls" in record]
        if not records:
            return None
        best = (one for one in records if one["epoch"] == self.best_epoch)
        record = next(best, records[0])
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


def _number(written: Any) -> Any:
    """Undoes what `write_json` does to an infinity or NaN."""
    return float(written) if isinstance(written, str) else written
