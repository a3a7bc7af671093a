"""A training ends with weights that are numbers."""

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from tfp_flows.models.stage_relay import copies, with_callback

__all__ = ["LastFinite", "after_all", "diverging_is_an_error"]


class LastFinite(keras.callbacks.Callback):
    """Ends a training whose weights are no longer finite, with the last that were.

    Looks after each epoch, so that a step costs nothing. Put it after callbacks that
    repair weights, as `RollBack` does.
    """

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Keeps the weights that training starts from."""
        self._kept, self._epoch = copies(self.model.weights), 0

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Keeps the weights, or goes back to those kept and stops."""
        values = copies(self.model.weights)
        if all(np.isfinite(value).all() for value in values):
            self._kept, self._epoch = values, epoch + 1
            return
        for variable, value in zip(self.model.weights, self._kept, strict=True):
            variable.assign(value)
        self.model.stop_training = True
        kept = f"those after epoch {self._epoch}" if self._epoch else "the first ones"
        warnings.warn(
            f"The weights became NaN or infinite in epoch {epoch + 1}: training stops, "
            f"with {kept}. Lower the learning rate, clip the gradient (keras "
            "optimizers take clipnorm) or take another optimizer: Adafactor divides "
            "by zero where a gradient is zero.",
            RuntimeWarning,
            stacklevel=2,
        )


@contextlib.contextmanager
def diverging_is_an_error() -> Iterator[None]:
    """Lets a training whose weights are no longer finite raise its `RuntimeWarning`.

    For who trains a part of something larger, and has a state of its own to return to.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "The weights became NaN", RuntimeWarning)
        yield


def after_all(callbacks: Any) -> Any:
    """Returns the callbacks with a `LastFinite` after all others."""
    return with_callback(callbacks, LastFinite())
