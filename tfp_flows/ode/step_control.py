"""The size of an error, of the first step and of the next."""

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from tfp_flows.ode.attempt import Slope
from tfp_flows.ode.steps import AdaptiveSteps

__all__ = ["ErrorNorm", "first_step", "next_step"]

_SAFETY, _SHORTEST, _LONGEST = 0.9, 0.1, 10.0


class ErrorNorm(NamedTuple):
    """Largest over components of √mean(squares over features), of each row.

    Attributes:
        components: columns of each component, ascending; others do not count.
        steps: what errors are relative to, and whether the mean goes over the rows
            too, so that all share one number.
    """

    components: Sequence[slice]
    steps: AdaptiveSteps

    @property
    def pooled(self) -> bool:
        """Whether all rows share one number."""
        return self.steps.control == "batch"

    def tolerated(self, *states: tf.Tensor) -> tf.Tensor:
        """Returns atol + rtol · |y|, of the larger |y| of [B, F] states, [B, F]."""
        sizes = [self._size(y) for y in states]
        largest = sizes[0] if len(sizes) == 1 else tf.maximum(*sizes)
        return self.steps.atol + self.steps.rtol * largest

    def _size(self, y: tf.Tensor) -> tf.Tensor:
        size = tf.abs(y)
        if self.steps.relative_to == "feature":
            return size
        parts, end = [], 0
        for columns in self.components:
            # The largest is taken out: squares of numbers that are there overflow.
            most = tf.reduce_max(size[:, columns], axis=-1, keepdims=True)
            ratio = tf.math.divide_no_nan(y[:, columns], most)
            mean = tf.reduce_mean(ratio**2, axis=-1, keepdims=True)
            width = columns.stop - columns.start
            root = tf.repeat(most * tf.sqrt(mean), width, axis=-1)
            parts += [size[:, end : columns.start], root]
            end = columns.stop
        return tf.concat([*parts, size[:, end:]], axis=-1)

    def of_rows(self, scaled: tf.Tensor) -> tf.Tensor:
        """[B, F] → [B], each row by itself; infinite where it is not finite."""
        return _root(self._mean_squares(scaled))

    def __call__(self, scaled: tf.Tensor, alive: tf.Tensor) -> tf.Tensor:
        """[B, F] → [B]; pooled, the mean is over rows that are alive."""
        squares = self._mean_squares(scaled)
        if self.pooled:
            counts = tf.cast(alive, squares.dtype)[:, tf.newaxis]
            total = tf.reduce_sum(
                tf.where(alive[:, tf.newaxis], squares, tf.zeros_like(squares)), 0
            )
            mean = tf.math.divide_no_nan(total, tf.reduce_sum(counts))
            squares = tf.broadcast_to(mean, tf.shape(squares))
        return _root(squares)

    def _mean_squares(self, scaled: tf.Tensor) -> tf.Tensor:
        squares = [
            tf.reduce_mean(scaled[:, columns] ** 2, axis=-1)
            for columns in self.components
            if columns.stop > columns.start
        ]
        if not squares:
            return tf.zeros_like(scaled[:, :1])
        return tf.stack(squares, axis=-1)


def first_step(
    slope: Slope,
    y: tf.Tensor,
    first: tf.Tensor,
    order: int,
    norm: ErrorNorm,
) -> tf.Tensor:
    """Returns ω of the first step of [0, 1], [B], from one more slope.

    Reference: Hairer, Nørsett and Wanner, "Solving Ordinary Differential Equations I",
    section II.4, "Starting step size".
    """
    alive = tf.math.is_finite(norm.of_rows(first)) & tf.math.is_finite(norm.of_rows(y))
    scale = norm.tolerated(y)
    size, speed = norm(y / scale, alive), norm(first / scale, alive)
    is_small = (size < 1e-5) | (speed < 1e-5)
    ones = tf.ones_like(size)
    guess = tf.where(is_small, 1e-4 * ones, 0.01 * tf.math.divide_no_nan(size, speed))
    guess = tf.minimum(guess, 1.0)
    column = guess[:, tf.newaxis]
    bend = (slope(guess, y + column * first) - first) / scale
    curvature = tf.math.divide_no_nan(norm(bend, alive), guess)
    largest = tf.maximum(speed, curvature)
    by_order = (0.01 / tf.maximum(largest, 1e-15)) ** (1.0 / order)
    omega = tf.minimum(tf.minimum(100.0 * guess, by_order), 1.0)
    # What moves by no more than this within the whole solve needs no start in steps.
    omega = tf.where(largest <= 1e-5, tf.ones_like(omega), omega)
    # A slope that overflowed on the way says nothing: try, and be refused.
    return tf.where(tf.math.is_finite(omega), omega, guess)


def next_step(
    omega: tf.Tensor,
    error: tf.Tensor,
    error_before: tf.Tensor,
    accepted: tf.Tensor,
    was_rejected: tf.Tensor,
    order: int,
) -> tf.Tensor:
    """Returns the next ω, [B]; none grows right after one was rejected.

    An `error_before` of 0 says that there is none: then the error alone decides.
    """
    smallest = tf.maximum(error, 1e-10)
    growth = tf.where(
        error_before > 0,
        smallest ** (-0.9 / order) * error_before ** (0.1 / order),
        smallest ** (-1.0 / order),
    )
    most = tf.where(was_rejected, tf.ones_like(omega), _LONGEST * tf.ones_like(omega))
    longer = tf.clip_by_value(_SAFETY * growth, _SHORTEST, most)
    shorter = tf.clip_by_value(_SAFETY * smallest ** (-1.0 / order), _SHORTEST, 1.0)
    return omega * tf.where(accepted, longer, shorter)


def _root(squares: tf.Tensor) -> tf.Tensor:
    largest = tf.sqrt(tf.reduce_max(squares, axis=-1))
    # The largest of numbers with a NaN among them is not NaN everywhere.
    is_finite = tf.reduce_all(tf.math.is_finite(squares), axis=-1)
    return tf.where(is_finite, largest, tf.constant(float("inf"), largest.dtype))
