"""How far translated rows are from rows of their target: by a critic, or without."""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from tfp_flows.objectives.scores.distances import mean_between, pairwise_distance

__all__ = ["CriticLoss", "MATCHINGS", "energy_distance"]

_MOST_ROWS = 1024

_Score = Callable[[tf.Tensor], tf.Tensor]


class CriticLoss(NamedTuple):
    """What critic and flow pay for a score s, which aims at 1 for real rows.

    Attributes:
        real: the critic, on rows of its domain.
        fake: the critic, on rows translated to it.
        flow: the flows, on the same.
        share: a score → the share of real rows that it stands for; None: it is none.
        undecided: the score that stands for as many real as translated rows.
        penalty: (score, real rows, translated rows, seed) → what the critic's slope
            costs it, [].
    """

    real: Callable[[tf.Tensor], tf.Tensor]
    fake: Callable[[tf.Tensor], tf.Tensor]
    flow: Callable[[tf.Tensor], tf.Tensor]
    share: Callable[[tf.Tensor], tf.Tensor] | None
    undecided: float
    penalty: Callable[[_Score, tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]


def _squared_from_one(score: tf.Tensor) -> tf.Tensor:
    return tf.square(score - 1)


def _cost_of_real(score: tf.Tensor) -> tf.Tensor:
    return tf.math.softplus(-score)


def _squared_slopes(score: _Score, x: tf.Tensor) -> tf.Tensor:
    """‖∇ score‖² of each row, [N]."""
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(score(x))
    slope = tf.reshape(tape.gradient(total, x), [tf.shape(x)[0], -1])
    return tf.reduce_sum(slope**2, -1)


def _steepness(
    score: _Score, real: tf.Tensor, fake: tf.Tensor, seed: tf.Tensor
) -> tf.Tensor:
    """Returns ½ E ‖∇ score‖² on real and on translated rows, [].

    A critic that is sure sends rows off along whatever it has seen last, and the flows
    after it; a flat one lets the two settle.

    Reference: Mescheder et al. (2018), "Which Training Methods for GANs do actually
    Converge?", arXiv:1801.04406, section 4.1, R1 and R2.
    """
    slopes = [tf.reduce_mean(_squared_slopes(score, x)) for x in (real, fake)]
    return tf.add_n(slopes) / 2


def _distance_from_slope_one(
    score: _Score, real: tf.Tensor, fake: tf.Tensor, seed: tf.Tensor
) -> tf.Tensor:
    """Returns E (‖∇ score‖ − 1)² between real and translated rows, [].

    Reference: Gulrajani et al. (2017), "Improved Training of Wasserstein GANs",
    arXiv:1704.00028, eq. 3.
    """
    shape = tf.concat([tf.shape(fake)[:1], tf.ones([tf.rank(fake) - 1], tf.int32)], 0)
    place = tf.random.stateless_uniform(shape, seed, dtype=real.dtype)
    slopes = _squared_slopes(score, fake + place * (real - fake))
    return tf.reduce_mean((tf.sqrt(slopes + 1e-12) - 1) ** 2)


MATCHINGS: dict[str, CriticLoss | None] = {
    "least_squares": CriticLoss(
        _squared_from_one, tf.square, _squared_from_one, tf.identity, 0.5, _steepness
    ),
    # The flows raise log C of their rows in place of lowering log(1 − C): the same
    # optimum, and a gradient where the critic is sure.
    "cross_entropy": CriticLoss(
        _cost_of_real, tf.math.softplus, _cost_of_real, tf.sigmoid, 0.0, _steepness
    ),
    "wasserstein": CriticLoss(
        tf.negative, tf.identity, tf.negative, None, 0.0, _distance_from_slope_one
    ),
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
