"""Singular values of Jacobians: exact for small events, by power iteration for large.

Power iteration: v ← Jᵀ J v / ‖Jᵀ J v‖, σ = ‖J v‖, one Jacobian-vector and one
vector-Jacobian product a step. For events of few numbers the whole Jacobian costs less.
"""

from collections.abc import Callable

import tensorflow as tf

__all__ = ["Map", "jacobians", "power_step"]

Map = Callable[[tf.Tensor], tf.Tensor]


def jacobians(function: Map, x: tf.Tensor, num_outputs: int) -> tf.Tensor:
    """Returns the Jacobian of each row, [N, outputs, inputs], in one backward pass.

    Args:
        function: takes every row `num_outputs` times, [N · outputs, event...].
        x: [N, event...].
        num_outputs: size of the image of a row.
    """
    repeated = tf.repeat(tf.stop_gradient(x), num_outputs, axis=0)
    one_hot = tf.tile(tf.eye(num_outputs, dtype=x.dtype), [x.shape[0], 1])
    with tf.GradientTape() as tape:
        tape.watch(repeated)
        y = function(repeated)
    gradient = tape.gradient(
        y,
        repeated,
        tf.reshape(one_hot, tf.shape(y)),
        unconnected_gradients=tf.UnconnectedGradients.ZERO,
    )
    return tf.reshape(gradient, [x.shape[0], num_outputs, -1])


def power_step(
    function: Map, x: tf.Tensor, vector: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """One step of power iteration on JᵀJ for each row.

    Args:
        function: differentiable, row by row.
        x: [N, event...], where J is taken.
        vector: v, [N, event...].

    Returns:
        The next vector Jᵀ J v / ‖J v‖, and σ = ‖J v‖ / ‖v‖ of the present one, [N].
    """
    vector = vector / _norms(vector)
    x = tf.identity(tf.stop_gradient(x))
    with tf.GradientTape(persistent=True) as tape:
        with tf.GradientTape(persistent=True) as inner:
            inner.watch(x)
            y = function(x)
        dual = tf.zeros_like(y)
        tape.watch(dual)
        # Linear in `dual`: its own gradient is the Jacobian-vector product.
        pulled = inner.gradient(
            y, x, dual, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
    pushed = tape.gradient(
        pulled, dual, vector, unconnected_gradients=tf.UnconnectedGradients.ZERO
    )
    norm = _norms(pushed)
    back = inner.gradient(
        y, x, pushed / norm, unconnected_gradients=tf.UnconnectedGradients.ZERO
    )
    return back, tf.reshape(norm, [-1])


def _norms(x: tf.Tensor) -> tf.Tensor:
    """Euclidean norm of each row, with axes kept: [N, 1, ...]."""
    axes = list(range(1, x.shape.rank))
    # Scaled first: squares of large entries overflow long before the norm does.
    top = tf.reduce_max(tf.abs(x), axis=axes, keepdims=True)
    return top * tf.sqrt(tf.reduce_sum((x / top) ** 2, axis=axes, keepdims=True))
