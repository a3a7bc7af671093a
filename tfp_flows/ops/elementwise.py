"""The contract of a monotone map applied to each feature with its own parameters.

A coupling and an autoregressive bijector differ in which network computes the
parameters; what is done with them is an elementwise transform.
"""

from typing import Protocol, runtime_checkable

import tensorflow as tf

__all__ = ["ElementwiseTransform"]


@runtime_checkable
class ElementwiseTransform(Protocol):
    """A monotone y = g(x; θ), one θ of `num_parameters` numbers a feature.

    Shapes: x, y, log-derivative: [batch..., D]; parameters: [batch..., P, D] with
    P = `num_parameters`. The parameter axis stands before the features so that
    reductions over it run along contiguous memory. All-zero parameters give the
    identity: a conditioner whose last layer starts at zero starts the flow there.
    """

    @property
    def num_parameters(self) -> int:
        """Numbers that one feature needs."""

    def forward(
        self, x: tf.Tensor, parameters: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns y and log dy/dx, both [batch..., D]."""

    def inverse(
        self, y: tf.Tensor, parameters: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns x and log dx/dy, both [batch..., D]."""
