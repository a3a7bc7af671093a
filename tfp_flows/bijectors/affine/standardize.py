"""Fixed affine map per feature to zero mean and unit variance."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfp_flows.bijectors.initialization.statistics import mean_and_standard_deviation
from tfp_flows.bijectors.trainable import TrainableBijector

__all__ = ["Standardize"]


class Standardize(TrainableBijector):
    """y = (x − μ) / σ per feature, not trained.

    Inverse: x = μ + σ y. log|det J| = −Σᵢ log σᵢ, so a flow that starts with it has
    its likelihood in the units of x. Inside a model the statistics are weights that
    are saved but not trained.

    Shapes: x, y: [batch..., D].

    Args:
        event_size: D, the size of the last axis.
        mean: μ, [D] or a number; 0 until `initialize`.
        standard_deviation: σ > 0, [D] or a number; 1 until `initialize`. A model's
            first fit leaves a mean or deviation given here as it is.
        dtype: dtype of the event and the statistics.
        validate_args: as in TFP.
        name: name of the bijector.

    Example:
        >>> bijector = Standardize(1, mean=2.0, standard_deviation=4.0)
        >>> bijector.forward(tf.constant([[10.0]])).numpy().tolist()
        [[2.0]]
    """

    def __init__(
        self,
        event_size: int,
        *,
        mean: float | Sequence[float] = 0.0,
        standard_deviation: float | Sequence[float] = 1.0,
        dtype: Any = "float32",
        validate_args: bool = False,
        name: str = "standardize",
    ) -> None:
        deviation = tf.broadcast_to(tf.cast(standard_deviation, dtype), [event_size])
        if not bool(tf.reduce_all(deviation > 0)):
            raise ValueError(
                f"standard_deviation must be positive, received {standard_deviation}."
            )
        self.mean = tf.Variable(
            tf.broadcast_to(tf.cast(mean, dtype), [event_size]),
            trainable=False,
            name=f"{name}_mean",
        )
        self.standard_deviation = tf.Variable(
            deviation, trainable=False, name=f"{name}_standard_deviation"
        )
        # Statistics that were given are not to be replaced.
        given = not (np.all(np.equal(mean, 0)) and np.all(np.equal(deviation, 1)))
        self.initialized = tf.Variable(
            given, trainable=False, name=f"{name}_initialized"
        )
        super().__init__(is_constant_jacobian=True)

    def initialize(self, x: Any) -> None:
        """Sets μ and σ to the statistics of x over all axes but the last.

        Raises:
            ValueError: x has another width, too few rows, a non-finite entry or a
                constant feature.
        """
        mean, deviation = mean_and_standard_deviation(
            x, self.mean.shape[0], f"{self.name}.initialize"
        )
        self.initialized.assign(True)
        self.mean.assign(mean)
        self.standard_deviation.assign(deviation)

    def _forward_and_log_det(self, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        deviation = tf.convert_to_tensor(self.standard_deviation)
        return (x - self.mean) / deviation, -tf.reduce_sum(tf.math.log(deviation))

    def _inverse_and_log_det(self, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        deviation = tf.convert_to_tensor(self.standard_deviation)
        return y * deviation + self.mean, tf.reduce_sum(tf.math.log(deviation))
