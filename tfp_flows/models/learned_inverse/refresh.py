"""Keeping log-determinants exact between the epochs of `fit`."""

import warnings
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfp_flows.bijectors import LearnedInverse
from tfp_flows.models.learned_inverse.log_determinants import LogDeterminants
from tfp_flows.models.stage_relay import with_callback

__all__ = ["RefreshLogDeterminants", "relative_distance", "with_log_determinants"]

# Half of the identity is missed.
_FAR = 0.5


class RefreshLogDeterminants(keras.callbacks.Callback):
    """Refreshes log|det W| around every epoch and logs what the epoch drifted.

    Adds `log_det_drift` to the epoch's logs: Σ (advanced − exact) in nats. Warns
    where the loss of an epoch is not finite.

    Args:
        log_dets: the model's log-determinants.
    """

    def __init__(self, log_dets: LogDeterminants) -> None:
        super().__init__()
        self._log_dets = log_dets

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Starts from exact values, also where weights were restored just now."""
        self._log_dets.refresh()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Refreshes, unless validation did, and logs the drift."""
        logs = {} if logs is None else logs
        if not np.isfinite(logs.get("loss", 0.0)):
            warnings.warn(
                f"The loss of epoch {epoch + 1} is {logs['loss']}: training has "
                "diverged. Lower the learning rate or clip the gradient "
                "(keras optimizers take clipnorm), and start again.",
                stacklevel=2,
            )
            return
        self._log_dets.refresh()
        logs["log_det_drift"] = self._log_dets.drift

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Warns of a learned inverse that did not follow its layer."""
        for layer in self._log_dets.layers:
            distance = relative_distance(layer)
            if distance > _FAR:
                warnings.warn(
                    f"The learned inverse of {layer.name} is far from W⁻¹: "
                    f"‖RW − I‖_F / ‖I‖_F = {distance:.2g}. The gradient of its "
                    "log-determinant was wrong by as much. Lower the learning rate, "
                    "or give Reconstruction more probes; "
                    "model.inverse_certificate(x) shows each layer.",
                    stacklevel=2,
                )


def relative_distance(layer: LearnedInverse) -> float:
    """Returns ‖R W − I‖_F / ‖I‖_F, estimated with Gaussian probes."""
    probes = tf.random.stateless_normal(
        [16, *layer.probe_shape], [0, 0], dtype=layer.kernel.dtype
    )
    kernel = tf.convert_to_tensor(layer.kernel)
    error = probes - layer.multiply_inverse(layer.multiply(probes, kernel))
    return float(tf.norm(error) / tf.norm(probes))


def with_log_determinants(callbacks: Any, log_dets: LogDeterminants) -> Any:
    """Returns the callbacks with a refresh before all others."""
    return with_callback(callbacks, RefreshLogDeterminants(log_dets), first=True)
