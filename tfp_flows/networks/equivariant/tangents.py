"""Which derivatives a graph network on all pairs has to carry, and where they end.

Quantities of particles have tangents [N, n, B, N, F], along each coordinate of each
particle; those of pairs (i, j) either all of these, or n of their own, along the
coordinates of particle i alone, [n, B, N, N, F].
"""

import tensorflow as tf

from tfp_flows.networks.equivariant.dual import Dual

__all__ = ["between", "coordinates", "gathered", "own_trace", "squared_norm"]


def coordinates(x: tf.Tensor) -> Dual:
    """x, [B, N, n], with unit tangents."""
    size, dimension = x.shape[1:]
    units = tf.eye(size * dimension, dtype=x.dtype)
    return Dual(x, tf.reshape(units, [size, dimension, 1, size, dimension]))


def squared_norm(vectors: Dual) -> Dual:
    """|v|² over the last axis, kept."""
    square = vectors * vectors
    return square.linear(lambda v: tf.reduce_sum(v, axis=-1, keepdims=True))


def between(receiver: Dual, sender: Dual, *, own: bool) -> Dual:
    """The sum of one quantity of i and one of j for all pairs (i, j)."""
    value = receiver.value[..., :, tf.newaxis, :] + sender.value[..., tf.newaxis, :, :]
    if receiver.tangents is None or sender.tangents is None:
        return Dual(value)
    if not own:
        ends = (
            receiver.tangents[..., tf.newaxis, :],
            sender.tangents[..., tf.newaxis, :, :],
        )
        return Dual(value, ends[0] + ends[1])
    mine, its = (
        tf.transpose(one.tangents, [1, 2, 0, 3, 4]) for one in (receiver, sender)
    )
    same = tf.eye(mine.shape[2], dtype=mine.dtype)[:, :, tf.newaxis]
    return Dual(value, tf.reduce_sum(mine * same, axis=3, keepdims=True) + its)


def gathered(edges: Dual) -> Dual:
    """Σⱼ of pairs (i, j); own tangents, of what depends on xᵢ − xⱼ, become all."""
    value = tf.reduce_sum(edges.value, axis=-2)
    tangents = edges.tangents
    if tangents is None:
        return Dual(value)
    if tangents.shape.rank > 5:
        return Dual(value, tf.reduce_sum(tangents, axis=-2))
    same = tf.eye(tangents.shape[3], dtype=value.dtype)
    same = same[:, tf.newaxis, tf.newaxis, :, tf.newaxis]
    mine = same * tf.reduce_sum(tangents, axis=-2)
    return Dual(value, mine - tf.transpose(tangents, [3, 0, 1, 2, 4]))


def own_trace(edges: Dual) -> tf.Tensor:
    """Σᵢⱼ tr ∂fᵢⱼ / ∂xᵢ of vectors with own tangents, [B]."""
    diagonal = tf.linalg.diag_part(tf.transpose(edges.tangents, [1, 2, 3, 0, 4]))
    return tf.reduce_sum(diagonal, axis=[1, 2, 3])
