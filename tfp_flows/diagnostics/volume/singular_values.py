"""Singular values of Jacobians: exact for small events, by power iteration for large.

Power iteration: w ← J Jᵀ w / ‖J Jᵀ w‖, σ = ‖Jᵀ w‖, one vector-Jacobian and one
Jacobian-vector product a step. For events of few numbers the whole Jacobian costs less.
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
    maps: Callable[[Map], list[tuple[tf.Tensor, tf.Tensor]]], vectors: list[tf.Tensor]
) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
    """One step of power iteration on J Jᵀ for each row of several maps at once.

    All maps share one backward pass and one pass through it: tracing costs as much as
    the maps themselves are large, however many they are.

    Args:
        maps: maps(source) → (x, y) of each map, where x = source(...) marks its input,
            [N, event...], and y is computed from x row by row. An x inside another
            map's computation takes no part in it.
        vectors: w of each map, shaped as its y.

    Returns:
        The next vectors J Jᵀ w / ‖Jᵀ w‖, and σ = ‖Jᵀ w‖ / ‖w‖ of the present ones, [N].
    """
    vectors = [vector / _norms(vector) for vector in vectors]
    unconnected = tf.UnconnectedGradients.ZERO
    with tf.GradientTape() as outer:
        outer.watch(vectors)
        with tf.GradientTape() as inner:

            def source(x: tf.Tensor) -> tf.Tensor:
                x = tf.identity(tf.stop_gradient(x))
                inner.watch(x)
                return x

            inputs, images = zip(*maps(source), strict=True)
        pulled = inner.gradient(
            list(images), list(inputs), vectors, unconnected_gradients=unconnected
        )
    norms = [_norms(vector) for vector in pulled]
    # Linear in the vectors: their own gradient is the Jacobian-vector product.
    pushed = outer.gradient(
        pulled,
        vectors,
        [vector / norm for vector, norm in zip(pulled, norms, strict=True)],
        unconnected_gradients=unconnected,
    )
    return pushed, [tf.reshape(norm, [-1]) for norm in norms]


def _norms(x: tf.Tensor) -> tf.Tensor:
    """Euclidean norm of each row, with axes kept: [N, 1, ...]."""
    axes = list(range(1, x.shape.rank))
    # Scaled first: squares of large entries overflow long before the norm does.
    top = tf.reduce_max(tf.abs(x), axis=axes, keepdims=True)
    return top * tf.sqrt(tf.reduce_sum((x / top) ** 2, axis=axes, keepdims=True))
