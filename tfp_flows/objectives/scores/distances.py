"""Distances that energy scores are made of, from differences of two events."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

__all__ = [
    "Distance",
    "block_distance",
    "mean_between",
    "pairwise_distance",
    "patch_distance",
    "project",
    "sliced_distance",
]

Distance = Callable[[tf.Tensor], tf.Tensor]


def block_distance(beta: float, sizes: Sequence[int]) -> Distance:
    """Returns d ↦ Σ_b w_b |d_b|^β over blocks of columns, [..., D] → [...].

    w_b = (k / k_b)^(β/2) with k the mean size: a score of k_b columns grows so.
    """
    weights = (np.mean(sizes) / np.array(sizes)) ** (beta / 2)

    def distance(difference: tf.Tensor) -> tf.Tensor:
        parts = tf.split(difference**2, list(sizes), axis=-1)
        powers = (_power(tf.reduce_sum(part, axis=-1), beta) for part in parts)
        return tf.add_n([w * p for w, p in zip(weights.tolist(), powers, strict=True)])

    return distance


def patch_distance(beta: float, size: int) -> Distance:
    """Returns d ↦ mean of |d_p|^β over all size × size patches, [..., H, W, C] → [...].

    The squared norms are box sums of d², so no patch is ever made.
    """

    def distance(difference: tf.Tensor) -> tf.Tensor:
        squares = tf.reduce_sum(difference**2, axis=-1, keepdims=True)
        images = tf.reshape(squares, [-1, *squares.shape[-3:]])
        sums = size**2 * tf.nn.avg_pool2d(images, size, 1, "VALID")
        each = tf.reduce_mean(_power(sums, beta), axis=[1, 2, 3])
        return tf.reshape(each, tf.shape(squares)[:-3])

    return distance


def pairwise_distance(x: tf.Tensor, y: tf.Tensor, beta: float = 1.0) -> tf.Tensor:
    """Returns |xᵢ − yⱼ|^β, [N, M], of [N, D] and [M, D] by one matrix product.

    In place of N × M differences of D numbers; distances that float32 loses are 0.
    """
    center = tf.stop_gradient(tf.reduce_mean(y, axis=0))
    x, y = x - center, y - center
    sizes = tf.reduce_sum(x**2, axis=-1)[:, tf.newaxis], tf.reduce_sum(y**2, axis=-1)
    squares = tf.add(*sizes) - 2 * tf.matmul(x, y, transpose_b=True)
    # Of what cancels nothing is left but rounding, whose root has a large gradient.
    lost = np.finfo(x.dtype.as_numpy_dtype).eps * tf.add(*sizes)
    return _power(tf.where(squares > 4 * lost, squares, tf.zeros_like(squares)), beta)


def mean_between(x: tf.Tensor, beta: float = 1.0) -> tf.Tensor:
    """Returns the mean of |xᵢ − xⱼ|^β over i ≠ j, [], of [N, D]."""
    count = tf.cast(tf.shape(x)[0], x.dtype)
    distances = pairwise_distance(x, x, beta)
    total = tf.reduce_sum(distances) - tf.linalg.trace(distances)
    return total / (count * (count - 1))


def project(events: tf.Tensor, directions: tf.Tensor) -> tf.Tensor:
    """Returns vectors [..., D] along directions [D, L], [..., L]."""
    flat = tf.reshape(events, [-1, events.shape[-1]]) @ directions
    return tf.reshape(flat, tf.concat([tf.shape(events)[:-1], [flat.shape[-1]]], 0))


def sliced_distance(beta: float, event_size: int) -> Distance:
    """Returns p ↦ mean |p|^β / c over projections of a vector of `event_size` numbers.

    c = E |⟨v, e⟩|^β, v uniform on the sphere: the mean is that of |d|^β.
    """
    half, more = event_size / 2, beta / 2
    log_c = math.lgamma(0.5 + more) + math.lgamma(half) - math.lgamma(half + more)
    c = math.exp(log_c) / math.sqrt(math.pi)
    return lambda projected: tf.reduce_mean(_power(projected**2, beta), axis=-1) / c


def _power(squared: tf.Tensor, beta: float) -> tf.Tensor:
    """s^(β/2), with gradient 0 at s = 0, where a norm has none."""
    apart = squared > np.finfo(squared.dtype.as_numpy_dtype).tiny
    safe = tf.where(apart, squared, tf.ones_like(squared))
    return tf.where(apart, safe ** (0.5 * beta), tf.zeros_like(squared))
