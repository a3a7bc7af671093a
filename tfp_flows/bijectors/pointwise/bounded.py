"""Columns with ends to the whole line."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfp_flows.bijectors.trainable import TrainableBijector

__all__ = ["Bounded"]


class Bounded(TrainableBijector):
    """Carries (low, high) to the line, feature by feature, by logarithms.

    With a = log(x − low) and b = log(high − x), and 0 for an end at infinity,

        y = a − b                                x where both ends are at infinity
        log dy/dx = log(high − low) − a − b      the first term for two ends alone

    so one end makes a logarithm, two ends a logit, and log|det J| = Σᵢ log dyᵢ/dxᵢ is
    in the data's units. Inverses are low + eʸ, high − e⁻ʸ and low + (high − low) σ(y),
    never on or beyond an end. A value on an end is taken for the next number inside;
    beyond it log|det J| is −∞, and with it the log-density of a flow.

    As the layer next to the data it gives a flow this support:

        flow = coupling_flow(2)
        support = Bounded([0.0, -np.inf], [np.inf, 1.0])
        flow = tfd.TransformedDistribution(
            flow.distribution, tfb.Chain([tfb.Invert(support), flow.bijector])
        )

    Shapes: x, y: [batch..., D].

    Args:
        low: lower ends, a number or [D]; −∞ for none.
        high: upper ends, likewise, each above `low`; ∞ for none.
        dtype: dtype of the event.
        validate_args: as in TFP.
        name: name of the bijector.

    Raises:
        ValueError: `low` is not below `high`.

    Example:
        >>> Bounded(0.0, [np.inf, 1.0]).forward([[1.0, 0.5]]).numpy().tolist()
        [[0.0, 0.0]]
    """

    def __init__(
        self,
        low: float | Sequence[float] | np.ndarray,
        high: float | Sequence[float] | np.ndarray,
        *,
        dtype: Any = "float32",
        validate_args: bool = False,
        name: str = "bounded",
    ) -> None:
        dtype = tf.as_dtype(dtype)
        ends = np.broadcast_arrays(np.atleast_1d(low), high)
        self._low, self._high = (np.asarray(end, dtype.as_numpy_dtype) for end in ends)
        if not np.all(self._low < self._high):
            raise ValueError(f"low must be below high, received {low} and {high}.")
        super().__init__(
            # Arrays: JSON has no infinity.
            parameters={"low": self._low, "high": self._high},
        )

    def _forward_and_log_det(self, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        beyond = (x < self._low) | (x > self._high) | tf.math.is_inf(x)
        x = self._clipped(x)
        a, b = self._log_distance(x - self._low), self._log_distance(self._high - x)
        nowhere = tf.constant(-np.inf, x.dtype)
        log_slope = tf.where(beyond, nowhere, self._log_width - a - b)
        y = tf.where(self._is_free, x, a - b)
        return y, tf.reduce_sum(log_slope, axis=-1)

    def _inverse_and_log_det(self, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        below, above = np.isfinite(self._low), np.isfinite(self._high)
        none = np.zeros_like(self._low)
        low, high = np.where(below, self._low, none), np.where(above, self._high, none)
        # A branch that is not taken sees 0: no infinity reaches its gradient.
        zero = tf.zeros_like(y)
        sign = np.where(below, 1, -1).astype(low.dtype)
        exponential = tf.exp(tf.where(below ^ above, sign * y, zero))
        x = tf.where(below ^ above, low + high + sign * exponential, y)
        log_slope = tf.where(below ^ above, sign * y, zero)
        inner = low + (high - low) * tf.sigmoid(tf.where(below & above, y, zero))
        x = tf.where(below & above, inner, x)
        logistic = self._log_width - tf.nn.softplus(y) - tf.nn.softplus(-y)
        log_slope = tf.where(below & above, logistic, log_slope)
        return self._clipped(x), tf.reduce_sum(log_slope, axis=-1)

    @property
    def _is_free(self) -> np.ndarray:
        return np.isinf(self._low) & np.isinf(self._high)

    @property
    def _log_width(self) -> np.ndarray:
        """The logarithm of high − low, 0 for less than two ends."""
        width = self._high - self._low
        return np.log(np.where(np.isfinite(width), width, 1.0)).astype(width.dtype)

    def _clipped(self, x: tf.Tensor) -> tf.Tensor:
        """The nearest number strictly inside."""
        least = np.finfo(self._low.dtype).tiny
        low = np.maximum(np.nextafter(self._low, np.inf), self._low + least)
        high = np.minimum(np.nextafter(self._high, -np.inf), self._high - least)
        return tf.clip_by_value(x, low, high)

    @staticmethod
    def _log_distance(distance: tf.Tensor) -> tf.Tensor:
        """The logarithm of the distance from an end, 0 from one at infinity."""
        finite = tf.math.is_finite(distance)
        return tf.math.log(tf.where(finite, distance, tf.ones_like(distance)))
