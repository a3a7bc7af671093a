"""Trainable affine map per feature with a data-dependent start."""

from typing import Any

import tensorflow as tf

from tfp_flows.bijectors.initialization.statistics import mean_and_standard_deviation
from tfp_flows.bijectors.trainable import TrainableBijector

__all__ = ["ActNorm"]


class ActNorm(TrainableBijector):
    """y = (x + b) ⊙ exp(s) per feature (per channel of an image), trainable.

    Inverse: x = y ⊙ exp(−s) − b. log|det J| = Σᵢ sᵢ, for an image times H · W.
    The identity until `initialize(x)` sets b and s so that y has zero mean and unit
    variance on x. Nothing changes in a call to `forward`: the first batch that
    happens to arrive, or one replica's share of it, does not decide the start.

    Shapes: x, y: [batch..., D]; extra event axes, such as [batch..., H, W, C], share
    b and s.

    Args:
        event_size: D, the size of the last axis.
        dtype: dtype of the event and the weights.
        validate_args: as in TFP.
        name: name of the bijector.

    Example:
        >>> bijector = ActNorm(2)
        >>> bijector.initialize(tf.constant([[0.0, 1.0], [2.0, 5.0]]))
        >>> bijector.forward(tf.constant([[1.0, 3.0]])).numpy().tolist()
        [[0.0, 0.0]]

    Reference: Kingma and Dhariwal (2018), "Glow", arXiv:1807.03039, section 3.1.
    """

    def __init__(
        self,
        event_size: int,
        *,
        dtype: Any = "float32",
        validate_args: bool = False,
        name: str = "act_norm",
    ) -> None:
        zeros = tf.zeros([event_size], dtype)
        self.shift = tf.Variable(zeros, name=f"{name}_shift")
        self.log_scale = tf.Variable(zeros, name=f"{name}_log_scale")
        self.initialized = tf.Variable(
            False, trainable=False, name=f"{name}_initialized"
        )
        super().__init__(is_constant_jacobian=True)

    def initialize(self, x: Any) -> None:
        """Sets b = −mean(x) and s = −log std(x) over all axes but the last.

        Args:
            x: [N..., D], at least two rows; constant features are refused.

        Raises:
            ValueError: x has another width, too few rows, a non-finite entry or a
                constant feature.
        """
        mean, deviation = mean_and_standard_deviation(
            x, self.shift.shape[0], f"{self.name}.initialize"
        )
        self.initialized.assign(True)
        self.shift.assign(-mean)
        self.log_scale.assign(-tf.math.log(tf.cast(deviation, self.dtype)))

    def _forward_and_log_det(self, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        log_scale = tf.convert_to_tensor(self.log_scale)
        return (x + self.shift) * tf.exp(log_scale), tf.reduce_sum(log_scale)

    def _inverse_and_log_det(self, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        log_scale = tf.convert_to_tensor(self.log_scale)
        return y * tf.exp(-log_scale) - self.shift, -tf.reduce_sum(log_scale)
