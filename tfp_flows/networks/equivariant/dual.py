"""A tensor with its derivatives along some directions, carried forward."""

import dataclasses
from collections.abc import Callable
from typing import Any

import tensorflow as tf

__all__ = ["Dual"]


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
        """A function of each entry, which returns its value and its slope."""
        value, slope = function(self.value)
        if self.tangents is None:
            return Dual(value)
        return Dual(value, slope * self.tangents)


def _total(parts: list[Any]) -> tf.Tensor | None:
    present = [part for part in parts if part is not None]
    return sum(present[1:], present[0]) if present else None
