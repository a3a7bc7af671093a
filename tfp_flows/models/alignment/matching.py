"""How far translated rows are from rows of their target: by a critic, or without."""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from tfp_flows.objectives.scores.distances import mean_between, pairwise_distance

__all__ = ["CriticLoss", "MATCHINGS", "energy_distance", "gradient_penalty"]

_MOST_ROWS = 1024


class CriticLoss(NamedTuple):
    """What critic and flow pay for a score s, which aims at 1 for real rows.

    Attributes:
        real: the critic, on rows of its domain.
        fake: the critic, on rows translated to it.
        flow: the flows, on the same.
        share: a score → the share of real rows that it stands for; None: it is none.
    """

    real: Callable[[tf.Tensor], tf.Tensor]
    fake: Callable[[tf.Tensor], tf.Tensor]
    flow: Callable[[tf.Tensor], tf.Tensor]
    share: Callable[[tf.Tensor], tf.Tensor] | None


def _squared_from_one(score: tf.Tensor) -> tf.Tensor:
    return tf.square(score - 1)


def _cost_of_real(score: tf.Tensor) -> tf.Tensor:
    return tf.math.softplus(-score)


MATCHINGS: dict[str, CriticLoss | None] = {
    "least_squares": CriticLoss(
        _squared_from_one, tf.square, _squared_from_one, tf.identity
    ),
    # The flows raise log C of their rows in place of lowering log(1 − C): the same
    # optimum, and a gradient where the critic is sure.
    "cross_entropy": CriticLoss(
        _cost_of_real, tf.math.softplus, _cost_of_real, tf.sigmoid
    ),
    "wasserstein": CriticLoss(tf.negative, tf.identity, tf.negative, None),
    "energy": None,
    "none": None,
}
"""The losses of critics by name; "energy" and "none" have no critics."""


def energy_distance(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """Returns 2 E‖X − Y‖ − E‖X − X′‖ − E‖Y − Y′‖ of two batches, without bias, [].

    Zero in the mean where both have one distribution, so that a batch may fall below.
    Of more than 1024 rows the first ones count.

    Args:
        x: [N, event...], N ≥ 2.
        y: [M, event...], M ≥ 2.
    """
    x, y = (tf.reshape(rows, [tf.shape(rows)[0], -1])[:_MOST_ROWS] for rows in (x, y))
    between = tf.reduce_mean(pairwise_distance(x, y))
    return 2 * between - mean_between(x) - mean_between(y)


def gradient_penalty(
    score: Callable[[tf.Tensor], tf.Tensor],
    real: tf.Tensor,
    fake: tf.Tensor,
    seed: tf.Tensor,
) -> tf.Tensor:
    """Returns E (‖∇ score‖ − 1)² between real and translated rows, [].

    Reference: Gulrajani et al. (2017), "Improved Training of Wasserstein GANs",
    arXiv:1704.00028, eq. 3.
    """
    count = tf.minimum(tf.shape(real)[0], tf.shape(fake)[0])
    real, fake = real[:count], fake[:count]
    shape = tf.concat([[count], tf.ones([tf.rank(real) - 1], tf.int32)], 0)
    place = tf.random.stateless_uniform(shape, seed, dtype=real.dtype)
    between = fake + place * (real - fake)
    with tf.GradientTape() as tape:
        tape.watch(between)
        total = tf.reduce_sum(score(between))
    slope = tf.reshape(tape.gradient(total, between), [count, -1])
    norm = tf.sqrt(tf.reduce_sum(slope**2, -1) + 1e-12)
    return tf.reduce_mean((norm - 1) ** 2)
