"""Space ↔ channels: blocks of pixels become channels."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tfp_flows.bijectors.trainable import TrainableBijector

__all__ = ["Squeeze"]


class Squeeze(TrainableBijector):
    """[H, W, C] → [H/f, W/f, f²C]: each f × f block becomes one pixel.

    Channel order: (row in block, column in block, channel). log|det J| = 0.

    Args:
        event_shape: (H, W, C) of the input; H and W multiples of `factor`.
        factor: f ≥ 2.
        dtype: dtype of the event.
        validate_args: as in TFP.
        name: name of the bijector.

    Example:
        >>> tuple(Squeeze((4, 4, 1)).forward(tf.zeros([7, 4, 4, 1])).shape)
        (7, 2, 2, 4)

    Reference: Dinh et al. (2017), "Density estimation using Real NVP",
    arXiv:1605.08803, section 3.6.
    """

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        factor: int = 2,
        dtype: Any = "float32",
        validate_args: bool = False,
        name: str = "squeeze",
    ) -> None:
        height, width, channels = event_shape
        if factor < 2 or height % factor or width % factor:
            raise ValueError(
                f"Squeeze needs a factor ≥ 2 that divides height and width, received "
                f"event_shape={tuple(event_shape)}, factor={factor}. Pad or crop the "
                "images, or leave the squeeze out."
            )
        self.factor = factor
        self.input_shape = (height, width, channels)
        super().__init__(event_ndims=3, is_constant_jacobian=True)

    @property
    def output_shape(self) -> tuple[int, int, int]:
        """(H/f, W/f, f²C), the shape of y."""
        height, width, channels = self.input_shape
        f = self.factor
        return height // f, width // f, channels * f * f

    def _forward_event_shape(self, input_shape: tf.TensorShape) -> tf.TensorShape:
        return tf.TensorShape(self.output_shape)

    def _inverse_event_shape(self, output_shape: tf.TensorShape) -> tf.TensorShape:
        return tf.TensorShape(self.input_shape)

    def _forward_event_shape_tensor(self, input_shape: tf.Tensor) -> tf.Tensor:
        return tf.constant(self.output_shape)

    def _inverse_event_shape_tensor(self, output_shape: tf.Tensor) -> tf.Tensor:
        return tf.constant(self.input_shape)

    def _forward_and_log_det(self, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        height, width, channels = self.output_shape
        f = self.factor
        blocks = tf.reshape(x, [-1, height, f, width, f, channels // (f * f)])
        blocks = tf.transpose(blocks, [0, 1, 3, 2, 4, 5])
        return _reshape_event(blocks, x, self.output_shape), tf.zeros([], x.dtype)

    def _inverse_and_log_det(self, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        height, width, channels = self.output_shape
        f = self.factor
        blocks = tf.reshape(y, [-1, height, width, f, f, channels // (f * f)])
        blocks = tf.transpose(blocks, [0, 1, 3, 2, 4, 5])
        return _reshape_event(blocks, y, self.input_shape), tf.zeros([], y.dtype)


def _reshape_event(
    x: tf.Tensor, like: tf.Tensor, event_shape: Sequence[int]
) -> tf.Tensor:
    return tf.reshape(x, tf.concat([tf.shape(like)[:-3], list(event_shape)], 0))
