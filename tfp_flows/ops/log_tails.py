"""A probability u carried as the pair (ln u, ln(1 − u)), exact at both ends.

In float32 the number u itself is 1 from x = 5.5 on for a normal variable and from
4,000 on for a Student-t variable of two degrees of freedom; every value and gradient
computed from it is then wrong. The pair is not: one of its two members is tiny, and a
logarithm holds tiny numbers to full relative precision.
"""

import math
from typing import Any, NamedTuple

import tensorflow as tf

__all__ = ["LogTails", "log1mexp", "log1mexp_of_log", "log_expm1", "log_neg_log"]


class LogTails(NamedTuple):
    """ln u and ln(1 − u), of one shape, each at most 0."""

    below: tf.Tensor
    """ln u, for u = F(x) the logarithm of the mass below x."""
    above: tf.Tensor
    """ln(1 − u), the logarithm of the mass above x."""

    @classmethod
    def from_below(cls, log_u: tf.Tensor) -> "LogTails":
        """Completes ln u; ln(1 − u) is exact where ln u is."""
        return cls(log_u, log1mexp(log_u))

    @classmethod
    def from_probability(cls, u: Any) -> "LogTails":
        """Takes u itself, with what precision it has left near 1."""
        u = tf.convert_to_tensor(u)
        return cls(tf.math.log(u), tf.math.log1p(-u))

    @classmethod
    def from_smaller(cls, log_tail: tf.Tensor, is_below: tf.Tensor) -> "LogTails":
        """Completes the logarithm of the smaller of u and 1 − u.

        Args:
            log_tail: ln min(u, 1 − u), [batch...].
            is_below: whether u is the smaller, [batch...].
        """
        rest = tf.math.log1p(-tf.exp(log_tail))
        return cls(
            tf.where(is_below, log_tail, rest), tf.where(is_below, rest, log_tail)
        )

    def flipped(self) -> "LogTails":
        """The pair of 1 − u."""
        return LogTails(self.above, self.below)

    def smaller(self) -> tf.Tensor:
        """Returns ln min(u, 1 − u)."""
        return tf.minimum(self.below, self.above)


def log1mexp(log_u: tf.Tensor) -> tf.Tensor:
    """Returns ln(1 − exp(−|x|)), where log_u = −|x|.

    `tfp.math.log1mexp` has the same values, but no number for a gradient where
    exp(−|x|) rounds to 1.
    """
    x = -tf.abs(log_u)
    middle = tf.constant(-math.log(2), x.dtype)
    is_near_zero = x > middle
    near = tf.math.log(-tf.math.expm1(tf.where(is_near_zero, x, middle)))
    far = tf.math.log1p(-tf.exp(tf.where(is_near_zero, middle, x)))
    return tf.where(is_near_zero, near, far)


def log1mexp_of_log(log_y: tf.Tensor) -> tf.Tensor:
    """Returns ln(1 − exp(−y)) from ln y, also where y is too small for its dtype.

    For small y it is ln y − y/2 + O(y²).
    """
    is_small = log_y < _NEAR_ONE[log_y.dtype.name]
    y = tf.exp(tf.where(is_small, tf.zeros_like(log_y), log_y))
    small = log_y - tf.exp(tf.minimum(log_y, tf.zeros_like(log_y))) / 2
    return tf.where(is_small, small, log1mexp(y))


def log_expm1(x: tf.Tensor) -> tf.Tensor:
    """Returns ln(eˣ − 1) = x + ln(1 − e⁻ˣ) for x > 0, without overflow."""
    return x + log1mexp(x)


def log_neg_log(tails: LogTails) -> tf.Tensor:
    """Returns ln(−ln u), also where u is so near 1 that ln u has underflowed.

    With v = 1 − u, −ln u = v + v²/2 + …, so that ln(−ln u) = ln v + v/2 + O(v²).
    """
    near_one = tails.above < _NEAR_ONE[tails.above.dtype.name]
    v = tf.exp(tf.where(near_one, tails.above, tf.zeros_like(tails.above)))
    log_u = tf.where(near_one, -tf.ones_like(tails.below), tails.below)
    return tf.where(near_one, tails.above + v / 2, tf.math.log(-log_u))


# Where v² is below the rounding of the result.
_NEAR_ONE = {"float16": -5.0, "bfloat16": -5.0, "float32": -10.0, "float64": -20.0}
