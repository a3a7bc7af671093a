"""Configurations of particles without their center of mass."""

import tensorflow as tf

__all__ = ["centered"]


def centered(x: tf.Tensor, present: tf.Tensor | None = None) -> tf.Tensor:
    """X less its mean over the particles: the projection onto zero center of mass.

    Args:
        x: [batch..., N, n].
        present: [batch..., N, 1], 1 for particles and 0 for places without, which
            become 0; None: all are there.
    """
    if present is None:
        return x - tf.reduce_mean(x, axis=-2, keepdims=True)
    total = tf.reduce_sum(x * present, axis=-2, keepdims=True)
    return (x - total / tf.reduce_sum(present, axis=-2, keepdims=True)) * present
