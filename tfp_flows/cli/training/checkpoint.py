"""A checkpoint after each epoch or component, to go on from to the same result."""

import math
import os
import pathlib
import time
from collections.abc import Mapping
from typing import Any

import keras

from tfp_flows.cli.errors import RunError
from tfp_flows.cli.training.progress import Progress
from tfp_flows.models import BoostedFlow, BoostingStage

__all__ = ["Checkpoint", "likelihood_of"]


class Checkpoint(keras.callbacks.Callback):
    """Records each epoch, saves what is complete, stops where numbers fail.

    A flow is saved after each epoch, and stops when validation no longer improves; a
    mixture is saved after each of its components, which have their own patience.

    The start, epoch 0, is one of the candidates for the best weights. Patience does
    not count from there: what starts at an optimum of its own may fall before it rises.

    Args:
        folder: where to write.
        progress: where training stands; updated with each checkpoint.
        patience: epochs without improvement after which a flow stops.
        start_loss: validation loss of a flow before its first epoch.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        progress: Progress,
        *,
        patience: int,
        start_loss: float = math.inf,
    ) -> None:
        super().__init__()
        self.folder = folder
        self.progress = progress
        self.patience = patience
        self.start_loss = start_loss
        self._records: list[dict[str, float]] = []
        self._started = 0.0

    @property
    def finished(self) -> bool:
        """Whether patience has run out."""
        return self.progress.wait >= self.patience

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Saves a flow before its first epoch, so that there always is a state."""
        if self.progress.last or self._has_stages:
            return
        loss = math.inf if math.isnan(self.start_loss) else self.start_loss
        self._records = [_start_record(loss)]
        self._complete(loss, 0.0)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Starts the clock."""
        self._started = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any]) -> None:
        """Stops at the first batch whose loss is no number."""
        self._check(logs["loss"], "training loss")

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        """Records the epoch; with it a flow is complete, and saved."""
        loss = likelihood_of(logs, "val_")
        stage = {"stage": int(logs["stage"])} if self._has_stages else {}
        record = {
            "epoch": epoch + 1,
            **stage,
            **_training_loss(logs),
            "val_loss": loss,
            "learning_rate": float(self.model.optimizer.learning_rate),
            **{name: float(logs[name]) for name in logs if name.endswith("calls")},
        }
        self._records.append(record)
        if self._has_stages:
            return
        self._check(loss, "validation loss")
        best = min(self.progress.trained_losses, default=math.inf)
        self.progress.wait = 0 if loss < best else self.progress.wait + 1
        self._complete(loss, time.monotonic() - self._started)
        self.model.stop_training = self.finished

    def on_stage_end(self, stage: BoostingStage) -> None:
        """Saves a mixture with its newest component."""
        if not self.progress.history and stage.start_loss is not None:
            self._records.insert(0, {**_start_record(stage.start_loss), "stage": 1})
        held_out = stage.loss if stage.val_loss is None else stage.val_loss
        self._complete(held_out, stage.seconds)

    @property
    def _has_stages(self) -> bool:
        return isinstance(self.model, BoostedFlow)

    def _complete(self, loss: float, seconds: float) -> None:
        progress = self.progress
        progress.history += self._records
        self._records = []
        progress.epoch = int(progress.history[-1]["epoch"])
        progress.seconds += seconds
        progress.last = f"epoch-{progress.epoch:04d}.keras"
        if self._has_stages or not progress.best or loss < progress.best_loss:
            progress.best, progress.best_epoch = progress.last, progress.epoch
            progress.best_loss = loss
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


def likelihood_of(logs: Mapping[str, Any], prefix: str) -> float:
    """The negative log-likelihood of an evaluation: the loss, or what is beside it."""
    beside = logs.get(f"{prefix}negative_log_likelihood")
    return float(logs[f"{prefix}loss"] if beside is None else beside)


def _training_loss(logs: Mapping[str, Any]) -> dict[str, float]:
    """The loss where it is nats; that of another objective under its own name."""
    if "val_negative_log_likelihood" not in logs:
        return {"loss": float(logs["loss"])}
    return {"loss": math.nan, "objective": float(logs["loss"])}


def _start_record(loss: float) -> dict[str, float]:
    return {"epoch": 0, "val_loss": loss}
