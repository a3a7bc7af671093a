"""Trainings in stages, which callbacks see as one training."""

# Hooks of Keras, which says what they are for.
# ruff: noqa: D102

from collections.abc import Callable, Iterable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

__all__ = ["StageRelay", "as_list", "copies", "split_callbacks", "with_callback"]

# What they compare or change belongs to one stage.
_EVERY_STAGE = (keras.callbacks.EarlyStopping, keras.callbacks.ReduceLROnPlateau)


class StageRelay(keras.callbacks.Callback):
    """Passes the events of a stage on to the callbacks of the whole training.

    They see one model, the whole, and epochs that go on counting from stage to stage.
    Where one of them stops the whole, the stage stops.

    Args:
        callbacks: of the whole training; their model is the whole.
        first_epoch: epochs of the stages before, where a stage counts from zero.
        may_stop: whether a stage may end now; None: always.
    """

    def __init__(
        self,
        callbacks: keras.callbacks.CallbackList,
        first_epoch: int = 0,
        may_stop: Callable[[], bool] | None = None,
    ) -> None:
        super().__init__()
        self._callbacks, self._first_epoch = callbacks, first_epoch
        self._may_stop = may_stop

    def set_params(self, params: dict[str, Any]) -> None:
        super().set_params(params)
        epochs = self._first_epoch + params.get("epochs", 0)
        self._callbacks.set_params({**params, "epochs": epochs})

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._callbacks.on_epoch_begin(self._first_epoch + epoch, logs)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._callbacks.on_epoch_end(self._first_epoch + epoch, logs)
        self._heed()

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self._callbacks.on_train_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._callbacks.on_train_batch_end(batch, logs)
        self._heed()

    def on_test_begin(self, logs: Any = None) -> None:
        self._callbacks.on_test_begin(logs)

    def on_test_end(self, logs: Any = None) -> None:
        self._callbacks.on_test_end(logs)

    def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:
        self._callbacks.on_test_batch_begin(batch, logs)

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        self._callbacks.on_test_batch_end(batch, logs)

    def _heed(self) -> None:
        if self._callbacks.model.stop_training:
            self.model.stop_training = True
        if self._may_stop is not None and not self._may_stop():
            self.model.stop_training = False


def copies(variables: Iterable[keras.Variable]) -> list[np.ndarray]:
    """Returns the values; on a CPU an array may share the variable's memory."""
    # Keras' own conversion has NumPy warn of a missing keyword.
    return [np.array(tf.convert_to_tensor(v).numpy()) for v in variables]


def as_list(callbacks: Any) -> list[Any]:
    """Returns the callbacks that Keras' `fit` was given, in any of its forms."""
    if isinstance(callbacks, keras.callbacks.CallbackList):
        callbacks = callbacks.callbacks
    given = [] if callbacks is None else callbacks
    return list(given) if isinstance(given, (list, tuple)) else [given]


def with_callback(
    callbacks: Any, added: keras.callbacks.Callback, *, first: bool = False
) -> Any:
    """Returns the callbacks and one more, after all others or before them."""
    given = as_list(callbacks)
    given.insert(0 if first else len(given), added)
    if not isinstance(callbacks, keras.callbacks.CallbackList):
        return given
    callbacks.callbacks = given
    added.set_model(callbacks.model)
    return callbacks


def split_callbacks(callbacks: Any) -> tuple[list[Any], list[Any]]:
    """Returns those for the whole training, and those that begin anew in each stage.

    Of the second kind are `EarlyStopping` and `ReduceLROnPlateau`, which compare losses
    of one stage, and those that say so by an attribute `follows_component`, as
    `VolumeMonitor` and `RollBack` do, which look into the flow that is being trained.
    """
    given = as_list(callbacks)
    every_stage = [c for c in given if _begins_anew(c)]
    return [c for c in given if not _begins_anew(c)], every_stage


def _begins_anew(callback: keras.callbacks.Callback) -> bool:
    return isinstance(callback, _EVERY_STAGE) or getattr(
        callback, "follows_component", False
    )
