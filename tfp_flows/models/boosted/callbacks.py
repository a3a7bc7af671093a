"""What happens around the epochs of one stage of boosting."""

import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from tfp_flows.models.stage_relay import copies
from tfp_flows.objectives import MixtureLikelihood

__all__ = ["Lift", "StageMonitor"]


class Lift(keras.callbacks.Callback):
    """Lifts a fresh component in the first epochs of its stage.

    Args:
        objective: an `objectives.MixtureLikelihood`.
        num_epochs: how many.
    """

    def __init__(self, objective: MixtureLikelihood, num_epochs: int) -> None:
        super().__init__()
        self._objective, self._num_epochs = objective, num_epochs

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Says whether this epoch is one of them."""
        self._objective.is_lifted.assign(epoch < self._num_epochs)


class StageMonitor(keras.callbacks.Callback):
    """Measures the whole after each epoch, remembers the best weights, has patience.

    Args:
        stage: number of the stage, from one, for the logs.
        measure: returns the validation loss of the whole, or None without validation
            rows.
        patience: epochs without improvement after which the stage ends; None: never.
        num_lifted: epochs at the beginning that patience does not count.
    """

    def __init__(
        self,
        stage: int,
        measure: Callable[[], float | None],
        patience: int | None,
        num_lifted: int = 0,
    ) -> None:
        super().__init__()
        self.stage, self.patience = stage, patience
        self._num_lifted = num_lifted
        self.history: dict[str, list[float]] = {}
        self.num_epochs = 0
        self.seconds = 0.0
        self.start_loss: float | None = None
        self._measure = measure
        self._best_loss = self._best_trained = np.inf
        self._wait = 0
        self._best: list[np.ndarray] | None = None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Measures the start, a candidate for the best weights."""
        self._started = time.monotonic()
        self.start_loss = self._measure()
        if self.start_loss is not None and self.start_loss < np.inf:
            self._remember(self.start_loss)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Adds `stage` and `val_loss` to the logs and decides whether to go on."""
        logs = {} if logs is None else logs
        logs["stage"] = float(self.stage)
        loss = self._measure()
        if loss is not None:
            logs["val_loss"] = loss
            # A component that diverged may be given no weight, and a finite loss.
            has_diverged = not np.isfinite(logs.get("loss", 0.0))
            self._judge(np.nan if has_diverged else loss)
        self.num_epochs += 1
        self.seconds = time.monotonic() - self._started
        for name, value in logs.items():
            self.history.setdefault(name, []).append(float(value))

    def _judge(self, loss: float) -> None:
        # A NaN is no improvement. Patience compares epochs: a start at an optimum of
        # its own may fall before it rises.
        improved = loss < self._best_trained
        self._best_trained = loss if improved else self._best_trained
        self._wait = 0 if improved else self._wait + 1
        if loss < self._best_loss:
            self._remember(loss)
        if self.num_epochs < self._num_lifted:
            self._wait = 0
        if self.patience is not None and self._wait >= self.patience:
            self.model.stop_training = True

    def _remember(self, loss: float) -> None:
        self._best_loss = loss
        self._best = copies(self.model.variables)

    def restore_best(self) -> None:
        """Sets the weights of the epoch with the lowest validation loss.

        Where no epoch had a finite one, training failed: its start does not hide that.
        """
        if self._best is None or self._best_trained == np.inf:
            return
        for variable, value in zip(self.model.variables, self._best, strict=True):
            variable.assign(value)
