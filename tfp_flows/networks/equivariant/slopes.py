"""Functions of one number, each with its slope, for `Dual.map`."""

import tensorflow as tf

__all__ = ["nearness", "sigmoid", "silu", "tanh"]

# Inside the root: two particles in one place have a distance with a gradient.
_SQUARED_FLOOR = 1e-8


def silu(x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """X σ(x)."""
    s = tf.sigmoid(x)
    return x * s, s * (1 + x * (1 - s))


def sigmoid(x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """σ(x)."""
    s = tf.sigmoid(x)
    return s, s * (1 - s)


def tanh(x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The hyperbolic tangent."""
    y = tf.tanh(x)
    return y, 1 - y**2


def nearness(squared: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """1 / (d + 1) of d²."""
    distance = tf.sqrt(squared + _SQUARED_FLOOR)
    y = 1 / (distance + 1)
    return y, -0.5 * y**2 / distance
