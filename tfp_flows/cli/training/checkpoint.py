"""A checkpoint after each epoch or component, to go on from to the same result."""

import math
import os
import pathlib
import time
from typing import Any

import keras

from tfp_flows.cli.errors import RunError
from tfp_flows.cli.training.progress import Progress
from tfp_flows.models import BoostedFlow, BoostingStage

__all__ = ["Checkpoint"]


class Checkpoint(keras.callbacks.Callback):
    """Records each epoch, saves what is complete, stops where numbers fail.

    A flow is saved after each epoch, and stops when validation no longer improves; a
    mixture is saved after each of its components, which have their own patience.

    Args:
        folder: where to write.
        progress: where training stands; updated with each checkpoint.
        patience: epochs without improvement after which a flow stops.
    """

    def __init__(
        self, folder: pathlib.Path, progress: Progress, *, patience: int
    ) -> None:
        super().__init__()
        self.folder = folder
        self.progress = progress
        self.patience = patience
        self._records: list[dict[str, float]] = []
        self._started = 0.0

    @property
    def finished(self) -> bool:
        """Whether patience has run out."""
        return self.progress.wait >= self.patience

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Saves a flow before its first epoch, so that there always is a state."""
        if self.progress.epoch == 0 and not self._has_stages:
            self._save()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Starts the clock."""
        self._started = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any]) -> None:
        """Stops at the first batch whose loss is no number."""
        self._check(logs["loss"], "training loss")

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        """Records the epoch; with it a flow is complete, and saved."""
        loss, best = float(logs["val_loss"]), self.progress.best_loss
        stage = {"stage": int(logs["stage"])} if self._has_stages else {}
        record = {
            "epoch": epoch + 1,
            **stage,
            "loss": float(logs["loss"]),
            "val_loss": loss,
            "learning_rate": float(self.model.optimizer.learning_rate),
            **{name: float(logs[name]) for name in logs if name.endswith("calls")},
        }
        self._records.append(record)
        if self._has_stages:
            return
        self._check(loss, "validation loss")
        self.progress.wait = 0 if loss < best else self.progress.wait + 1
        self._complete(min(loss, best), time.monotonic() - self._started)
        self.model.stop_training = self.finished

    def on_stage_end(self, stage: BoostingStage) -> None:
        """Saves a mixture with its newest component."""
        self._complete(stage.val_loss, stage.seconds)

    @property
    def _has_stages(self) -> bool:
        return isinstance(self.model, BoostedFlow)

    def _complete(self, best_loss: float | None, seconds: float) -> None:
        progress = self.progress
        progress.history += self._records
        self._records = []
        progress.epoch = len(progress.history)
        progress.seconds += seconds
        if best_loss is not None:
            progress.best_loss = best_loss
        self._save()

    def _save(self) -> None:
        progress = self.progress
        progress.last = f"epoch-{progress.epoch:04d}.keras"
        if progress.wait == 0:
            progress.best = progress.last
        unfinished = self.folder / "unfinished.keras"
        self.model.save(unfinished)
        os.replace(unfinished, self.folder / progress.last)
        progress.write(self.folder)

    def _check(self, loss: float, what: str) -> None:
        if math.isfinite(loss):
            return
        where, good = f"epoch {self.progress.epoch + 1}", "the last good weights"
        if self._has_stages:
            where, good = f"component {self.model.num_trained + 1}", "those before it"
        last, kept = self.progress.last, ""
        if last:
            kept = f"{good} are kept in {self.folder / last}; "
        raise RunError(
            f"the {what} is not a number in {where}: {kept}start again with "
            "--overwrite and a smaller --learning-rate, or look for extreme rows in "
            "the data"
        )
