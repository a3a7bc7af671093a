"""Bounded data to the whole line."""

from typing import Any

import tensorflow as tf

from tfp_flows.bijectors.trainable import TrainableBijector

__all__ = ["Logit"]


class Logit(TrainableBijector):
    """y = log(u / (1 − u)) with u = α + (1 − 2α)(x − low)/(high − low).

    Inverse: x = low + (high − low)(σ(y) − α)/(1 − 2α).
    log dy/dx = log((1 − 2α)/(high − low)) − log u − log(1 − u), in the data's units.
    The margin α keeps the ends of the range finite; y outside the image of
    [low, high] is mapped a little beyond the range.

    Shapes: any; acts on single numbers.

    Args:
        low: lower end of the data.
        high: upper end of the data, above `low`.
        margin: α in [0, 0.5). The default, 0.05, is the one of Real NVP.
        dtype: dtype of the event.
        validate_args: as in TFP.
        name: name of the bijector.

    Example:
        >>> float(Logit(0.0, 256.0).forward(128.0))
        0.0

    Reference: Dinh et al. (2017), "Density estimation using Real NVP",
    arXiv:1605.08803, section 4.1.
    """

    def __init__(
        self,
        low: float = 0.0,
        high: float = 1.0,
        *,
        margin: float = 0.05,
        dtype: Any = "float32",
        validate_args: bool = False,
        name: str = "logit",
    ) -> None:
        if not low < high:
            raise ValueError(f"low must be below high, received {low} and {high}.")
        if not 0 <= margin < 0.5:
            raise ValueError(f"margin must lie in [0, 0.5), received {margin}.")
        self.low, self.high, self.margin = low, high, margin
        super().__init__(event_ndims=0)

    @property
    def _scale(self) -> float:
        return (1.0 - 2.0 * self.margin) / (self.high - self.low)

    def _forward_and_log_det(self, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        # Both ends are measured from their own side: 1 − u would round near high.
        from_low = self.margin + self._scale * (x - self.low)
        from_high = self.margin + self._scale * (self.high - x)
        log_low, log_high = tf.math.log(from_low), tf.math.log(from_high)
        log_scale = tf.math.log(tf.constant(self._scale, x.dtype))
        return log_low - log_high, log_scale - log_low - log_high

    def _inverse_and_log_det(self, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        x = self.low + (tf.sigmoid(y) - self.margin) / self._scale
        log_scale = tf.math.log(tf.constant(self._scale, y.dtype))
        return x, -(log_scale + tf.nn.softplus(y) + tf.nn.softplus(-y))
