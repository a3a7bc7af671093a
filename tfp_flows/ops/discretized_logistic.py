"""Logistic noise on whole numbers, with probabilities that are exact in the tails."""

import tensorflow as tf

__all__ = ["discretized_logistic_log_prob", "discretized_logistic_mean"]


def discretized_logistic_log_prob(
    x: tf.Tensor, loc: tf.Tensor, scale: tf.Tensor, num_values: int
) -> tf.Tensor:
    """Returns log P(x) of a logistic variable rounded to 0 … num_values − 1.

        P(x) = σ(b) − σ(a),  a = (x − ½ − loc) / scale,  b = (x + ½ − loc) / scale,

    where a is −∞ at the smallest value and b is ∞ at the largest, so that the
    probabilities sum to one. With σ(b) − σ(a) = (1 − e^{a−b}) σ(b) σ(−a) no
    difference of two nearly equal numbers is formed.

    Args:
        x: [batch...], whole numbers in a floating dtype.
        loc: [batch...], in units of x.
        scale: [batch...], positive, in units of x.
        num_values: how many values there are.

    Reference: Salimans et al. (2017), "PixelCNN++", arXiv:1701.05517, eq. 2, one
    component.
    """
    above = tf.math.log_sigmoid((x + 0.5 - loc) / scale)
    below = tf.math.log_sigmoid((loc - x + 0.5) / scale)
    width = tf.math.log(-tf.math.expm1(-1.0 / scale))
    inside = above + below + width
    inside = tf.where(x <= 0, above, inside)
    return tf.where(x >= num_values - 1, below, inside)


def discretized_logistic_mean(
    loc: tf.Tensor, scale: tf.Tensor, num_values: int
) -> tf.Tensor:
    """Returns E[x] = Σₖ P(x ≥ k) over k = 1 … num_values − 1, [batch...].

    Exact, O(num_values) time and O(1) memory a number.
    """

    def add(k: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        edge = tf.cast(k, loc.dtype) - 0.5
        return k + 1, total + tf.sigmoid((loc - edge) / scale)

    _, mean = tf.while_loop(
        lambda k, _: k < num_values, add, [tf.constant(1), tf.zeros_like(loc)]
    )
    return mean
