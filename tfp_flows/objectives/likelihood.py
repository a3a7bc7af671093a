"""Maximum likelihood."""

from typing import Any

import keras
import tensorflow as tf

__all__ = ["NegativeLogLikelihood"]


@keras.saving.register_keras_serializable(package="tfp_flows")
class NegativeLogLikelihood(keras.losses.Loss):
    """−Σᵢ wᵢ log p(xᵢ) / N in nats, from the log-densities of a batch.

    The mean is over rows, wᵢ = 1 without weights, as Keras weights its other losses;
    under a distribution strategy it is scaled so that the replicas' gradients add up
    to that of the global batch.

    Call arguments:
        y_true: not used; Keras passes a target.
        y_pred: [N], log p(xᵢ).
        sample_weight: [N], wᵢ ≥ 0, or None.
    """

    def __init__(
        self,
        name: str = "negative_log_likelihood",
        reduction: str = "sum_over_batch_size",
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """Returns −log p(xᵢ), [N]."""
        return -y_pred
