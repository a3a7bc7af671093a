"""The mean over rows, as Keras weights and reduces its own losses."""

from typing import Any

import keras
import tensorflow as tf

__all__ = ["row_mean"]


class _Mean(keras.losses.Loss):
    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        return y_pred


def row_mean(values: tf.Tensor, sample_weight: Any) -> tf.Tensor:
    """Returns Σᵢ wᵢ valuesᵢ / N, wᵢ = 1 without weights.

    Under a distribution strategy it is scaled so that the replicas' gradients add up
    to that of the global batch.

    Args:
        values: [N].
        sample_weight: [N], wᵢ ≥ 0, or None.
    """
    return _Mean(name="row_mean", dtype=values.dtype.name)(
        values, values, sample_weight
    )
