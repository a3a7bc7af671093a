"""A value whose gradient is prescribed instead of derived."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

__all__ = ["first_order_only", "prescribed_gradient"]


def prescribed_gradient(
    value: tf.Tensor,
    arguments: Sequence[tf.Tensor],
    gradients: Sequence[tf.Tensor],
    scales: Sequence[float] | None = None,
) -> tf.Tensor:
    """Returns a scalar that pretends to be a function of `arguments`.

    Value: that of `value`, unchanged; nothing is differentiated through it.
    Gradient: u · cᵢ · gᵢ for the i-th argument, u the cotangent.

    Args:
        value: scalar.
        arguments: tensors that receive gradients.
        gradients: gᵢ, of the shapes of the arguments.
        scales: cᵢ; 1 if None.

    Raises:
        LookupError: on differentiation of the gradient, which has no second
            derivative.
    """
    scales = [1.0] * len(gradients) if scales is None else scales
    # What the gradients are made of is read with the value: in a training step an
    # update of the same weights must not come in between.
    value = tf.stop_gradient(value)
    for gradient in gradients:
        value += _nothing_of(gradient)

    @tf.custom_gradient
    def attach(*inputs: tf.Tensor) -> tuple[tf.Tensor, Callable[..., Any]]:
        def pull_back(cotangent: tf.Tensor) -> list[tf.Tensor]:
            return [
                first_order_only(scale * cotangent * gradient, inputs)
                for scale, gradient in zip(scales, gradients, strict=True)
            ]

        return tf.identity(value), pull_back

    return attach(*arguments)


def first_order_only(gradient: tf.Tensor, arguments: Sequence[tf.Tensor]) -> tf.Tensor:
    """Returns `gradient`, which refuses to be differentiated again.

    Without it, TensorFlow would answer None for the second derivative in
    `arguments`, and an optimizer or a Hessian would go on without a term.

    Raises:
        LookupError: on differentiation, with the remedy.
    """
    # The identity joins gradient and arguments in the tape's eyes, at no cost.
    joined = tf.raw_ops.IdentityN(input=[gradient, *arguments])[0]
    return tf.raw_ops.PreventGradient(
        input=joined,
        message=(
            "This log-determinant has a learned or relative first derivative and no "
            "second one. Expected: first-order training. For Hessians, or samplers "
            'over the weights, build the layer with gradient="exact".'
        ),
    )


def _nothing_of(x: tf.Tensor) -> tf.Tensor:
    """Returns 0, which no optimizer of graphs knows before x is read.

    An edge of order alone would do, but for TensorFlow's graph optimizer: it finds
    the edge to a weight's update superfluous where a path leads there by the value,
    and then takes that path apart. It keeps the order that numbers need.
    """
    return tf.cast(tf.reshape(x, [-1])[0] > float("inf"), x.dtype)
