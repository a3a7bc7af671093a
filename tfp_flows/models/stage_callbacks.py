"""What happens around the epochs of one stage of a training in stages."""

import time
from collections.abc import Callable, Iterable
from typing import Any

import keras
import numpy as np

from tfp_flows.objectives import MixtureLikelihood

__all__ = ["Lift", "StageMonitor", "StageRelay", "copies", "split_callbacks"]


# What they compare or change belongs to one stage.
_EVERY_STAGE = (keras.callbacks.EarlyStopping, keras.callbacks.ReduceLROnPlateau)


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
        self._measure = measure
        self._best_loss, self._wait = np.inf, 0
        self._best: list[np.ndarray] | None = None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Starts the clock."""
        self._started = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Adds `stage` and `val_loss` to the logs and decides whether to go on."""
        logs = {} if logs is None else logs
        logs["stage"] = float(self.stage)
        loss = self._measure()
        if loss is not None:
            logs["val_loss"] = loss
            self._judge(loss)
        self.num_epochs += 1
        self.seconds = time.monotonic() - self._started
        for name, value in logs.items():
            self.history.setdefault(name, []).append(float(value))

    def _judge(self, loss: float) -> None:
        # A NaN is no improvement.
        improved = loss < self._best_loss
        self._wait = 0 if improved else self._wait + 1
        if improved:
            self._best_loss = loss
            self._best = copies(self.model.variables)
        if self.num_epochs < self._num_lifted:
            self._wait = 0
        if self.patience is not None and self._wait >= self.patience:
            self.model.stop_training = True

    def restore_best(self) -> None:
        """Sets the weights of the epoch with the lowest validation loss."""
        if self._best is None:
            return
        for variable, value in zip(self.model.variables, self._best, strict=True):
            variable.assign(value)


class StageRelay(keras.callbacks.Callback):
    """Passes the events of a stage on to the callbacks of the whole training.

    They see one model, the whole, and epochs that go on counting from stage to stage.

    Args:
        callbacks: of the whole training; their model is the whole.
        first_epoch: epochs of the stages before.
    """

    def __init__(
        self, callbacks: keras.callbacks.CallbackList, first_epoch: int
    ) -> None:
        super().__init__()
        self._callbacks, self._first_epoch = callbacks, first_epoch

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Passes on."""
        self._callbacks.on_epoch_begin(self._first_epoch + epoch, logs)

    def on_train_batch_begin(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        """Passes on."""
        self._callbacks.on_train_batch_begin(batch, logs)

    def on_train_batch_end(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        """Passes on, and stops where a callback stops the whole."""
        self._callbacks.on_train_batch_end(batch, logs)
        self._heed()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Passes on, and stops where a callback stops the whole."""
        self._callbacks.on_epoch_end(self._first_epoch + epoch, logs)
        self._heed()

    def _heed(self) -> None:
        if self._callbacks.model.stop_training:
            self.model.stop_training = True


def copies(variables: Iterable[keras.Variable]) -> list[np.ndarray]:
    """Returns the values; on a CPU an array may share the variable's memory."""
    return [keras.ops.convert_to_numpy(variable).copy() for variable in variables]


def split_callbacks(callbacks: Any) -> tuple[list[Any], list[Any]]:
    """Returns those for the whole training, and those that begin anew in each stage.

    Of the second kind are `EarlyStopping` and `ReduceLROnPlateau`, which compare losses
    of one stage, and those that say so by an attribute `follows_component`, as
    `VolumeMonitor` and `RollBack` do, which look into the flow that is being trained.
    """
    given = getattr(callbacks, "callbacks", callbacks)
    given = [] if given is None else given
    given = list(given) if isinstance(given, (list, tuple)) else [given]
    every_stage = [c for c in given if _begins_anew(c)]
    return [c for c in given if not _begins_anew(c)], every_stage


def _begins_anew(callback: keras.callbacks.Callback) -> bool:
    return isinstance(callback, _EVERY_STAGE) or getattr(
        callback, "follows_component", False
    )
