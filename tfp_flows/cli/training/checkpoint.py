"""A checkpoint each epoch, from which a killed run goes on to the same result."""

import dataclasses
import json
import math
import os
import pathlib
import time
from typing import Any

import keras

from tfp_flows.cli.errors import RunError
from tfp_flows.cli.runs.files import reading, write_json
from tfp_flows.cli.runs.folder import STATE

__all__ = ["Checkpoint", "Progress"]


@dataclasses.dataclass
class Progress:
    """Where training stands: the file `state.json`, which names the checkpoints.

    Attributes:
        epoch: Number of complete epochs.
        last: File with the model and optimizer after `epoch`.
        best: File with those of the best epoch.
        best_loss: Best validation loss, in nats a row.
        wait: Epochs since the best.
        history: One record for each complete epoch.
        seconds: Time spent on the complete epochs.
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


class Checkpoint(keras.callbacks.Callback):
    """Saves each epoch, stops when validation no longer improves or numbers fail.

    Args:
        folder: Where to write.
        progress: Where training stands; updated at the end of each epoch.
        patience: Epochs without improvement after which training stops.
    """

    def __init__(
        self, folder: pathlib.Path, progress: Progress, *, patience: int
    ) -> None:
        super().__init__()
        self.folder = folder
        self.progress = progress
        self.patience = patience
        self._started = 0.0

    @property
    def finished(self) -> bool:
        """Whether patience has run out."""
        return self.progress.wait >= self.patience

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Saves the state before the first epoch, so that there always is one."""
        if self.progress.epoch == 0:
            self._save()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Starts the clock."""
        self._started = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any]) -> None:
        """Stops at the first batch whose loss is no number."""
        if not math.isfinite(logs["loss"]):
            raise self._divergence("training loss")

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        """Records the epoch and saves."""
        loss = float(logs["val_loss"])
        if not math.isfinite(loss):
            raise self._divergence("validation loss")
        progress = self.progress
        progress.epoch = epoch + 1
        progress.seconds += time.monotonic() - self._started
        progress.history.append(
            {
                "epoch": epoch + 1,
                "loss": float(logs["loss"]),
                "val_loss": loss,
                "learning_rate": float(self.model.optimizer.learning_rate),
            }
        )
        improved = loss < progress.best_loss
        progress.wait = 0 if improved else progress.wait + 1
        if improved:
            progress.best_loss = loss
        self._save()
        self.model.stop_training = self.finished

    def _save(self) -> None:
        progress = self.progress
        progress.last = f"epoch-{progress.epoch:04d}.keras"
        if progress.wait == 0:
            progress.best = progress.last
        unfinished = self.folder / "unfinished.keras"
        self.model.save(unfinished)
        os.replace(unfinished, self.folder / progress.last)
        progress.write(self.folder)

    def _divergence(self, what: str) -> RunError:
        return RunError(
            f"the {what} is not a number in epoch {self.progress.epoch + 1}: the last "
            f"good weights are kept in {self.folder / self.progress.last}; start again "
            "with --overwrite and a smaller --learning-rate, or look for extreme rows "
            "in the data"
        )
