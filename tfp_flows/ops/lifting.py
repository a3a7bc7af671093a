"""Discrete numbers lifted to continuous ones: from noise, back by a rounding."""

import tensorflow as tf

__all__ = ["argmax_lift", "interval_lift"]


def argmax_lift(u: tf.Tensor, one_hot: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Numbers of which that of the class is the largest, and log|det ∂v/∂u|.

        v_k = u_k = T of the class k,  v_j = T − softplus(T − u_j) < T of the others
        log|det| = Σ_{j≠k} log σ(T − u_j)

    Args:
        u: [..., K], anything.
        one_hot: [..., K].

    Returns:
        [..., K] and [...].

    Reference: Hoogeboom et al. (2021), "Argmax Flows", arXiv:2102.05379, section 3.
    """
    largest = tf.reduce_sum(u * one_hot, axis=-1, keepdims=True)
    distance = largest - u
    lifted = tf.where(one_hot > 0, u, largest - tf.nn.softplus(distance))
    others = (1 - one_hot) * tf.math.log_sigmoid(distance)
    return lifted, tf.reduce_sum(others, axis=-1)


def interval_lift(u: tf.Tensor, whole: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """V = m + σ(u) in (m, m + 1) of whole numbers m, and log|det ∂v/∂u|, [...]."""
    slopes = tf.math.log_sigmoid(u) + tf.math.log_sigmoid(-u)
    return whole + tf.sigmoid(u), tf.reduce_sum(slopes, axis=-1)
