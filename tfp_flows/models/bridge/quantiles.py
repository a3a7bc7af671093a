"""Quantiles of draws, where a model has no others."""

import numpy as np
import tensorflow as tf

__all__ = ["sample_quantiles"]


def sample_quantiles(
    draws: tf.Tensor, probabilities: tf.Tensor, step: np.ndarray
) -> tf.Tensor:
    """Returns quantiles of S draws, [Q, batch..., event...].

    Interpolated as Weibull does: between the k-th and the l-th draw another one falls
    with chance (l − k) / (S + 1). On a grid the nearest value.

    Args:
        draws: [S, batch..., event...].
        probabilities: [Q], in [0, 1].
        step: [event...], of the grid of each feature, 0 where it is continuous.
    """
    if not draws.dtype.is_floating:
        draws, step = tf.cast(draws, "float32"), np.ones([])
    count = tf.cast(tf.shape(draws)[0], draws.dtype)
    place = tf.cast(probabilities, draws.dtype) * (count + 1) - 1
    place = tf.clip_by_value(place, 0, count - 1)
    ordered = tf.sort(draws, axis=0)
    below, above = (
        tf.gather(ordered, tf.cast(at, tf.int32))
        for at in (tf.floor(place), tf.math.ceil(place))
    )
    share = tf.reshape(place - tf.floor(place), [-1] + [1] * (draws.shape.rank - 1))
    found = below + share * (above - below)
    cell = tf.constant(np.where(step > 0, step, 1.0), draws.dtype)
    return tf.where(step > 0, tf.round(found / cell) * cell, found)
