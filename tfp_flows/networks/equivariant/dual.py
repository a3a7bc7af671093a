"""A tensor with its derivatives along some directions, carried forward."""

import dataclasses
from collections.abc import Callable
from typing import Any

import tensorflow as tf

__all__ = ["Dual", "nearness", "sigmoid", "silu", "tanh"]

# Inside the root: two particles in one place have a distance with a gradient.
_SQUARED_FLOOR = 1e-8


@dataclasses.dataclass(frozen=True)
class Dual:
    """f(x) and J v of K directions v: sums, products and maps by the chain rule.

    One formula serves a value alone, where there are no tangents, and its derivatives.

    Attributes:
        value: [shape...].
        tangents: [K, shape...], or broadcasting against it; None for zeros.
    """

    value: tf.Tensor
    tangents: tf.Tensor | None = None

    @property
    def tangent(self) -> tf.Tensor:
        """The tangent of what has one, [shape...]."""
        return tf.squeeze(self.tangents, axis=0)

    def __add__(self, other: "Dual") -> "Dual":
        return Dual(self.value + other.value, _total([self.tangents, other.tangents]))

    def __mul__(self, other: "Dual") -> "Dual":
        parts = [
            None if mine is None else mine * its.value
            for mine, its in ((self.tangents, other), (other.tangents, self))
        ]
        return Dual(self.value * other.value, _total(parts))

    def linear(self, function: Callable[[tf.Tensor], tf.Tensor]) -> "Dual":
        """A linear function of value and tangents alike."""
        if self.tangents is None:
            return Dual(function(self.value))
        return Dual(function(self.value), function(self.tangents))

    def __matmul__(self, kernel: tf.Tensor) -> "Dual":
        """A kernel [F, G] on the last axis."""
        # Of one long matrix: a batch of small products is slow, and backwards it
        # makes a gradient of the kernel for each member before it adds them.
        return self.linear(lambda v: tf.tensordot(v, kernel, 1))

    def plus(self, constant: tf.Tensor) -> "Dual":
        """The sum with what does not vary."""
        return Dual(self.value + constant, self.tangents)

    def map(
        self, function: Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]
    ) -> "Dual":
        """A function of each entry, which returns value and slope, such as `silu`."""
        value, slope = function(self.value)
        if self.tangents is None:
            return Dual(value)
        return Dual(value, slope * self.tangents)


def _total(parts: list[Any]) -> tf.Tensor | None:
    present = [part for part in parts if part is not None]
    return sum(present[1:], present[0]) if present else None


def silu(x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """X / (1 + exp(−x))."""
    s = tf.sigmoid(x)
    return x * s, s * (1 + x * (1 - s))


def sigmoid(x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """1 / (1 + exp(−x))."""
    s = tf.sigmoid(x)
    return s, s * (1 - s)


def tanh(x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """(exp(x) − exp(−x)) / (exp(x) + exp(−x))."""
    y = tf.tanh(x)
    return y, 1 - y**2


def nearness(squared: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """1 / (d + 1) of d²."""
    distance = tf.sqrt(squared + _SQUARED_FLOOR)
    y = 1 / (distance + 1)
    return y, -0.5 * y**2 / distance
