"""Polynomials on [−1, 1] by their values at Chebyshev's nodes."""

import numpy as np
import tensorflow as tf

__all__ = ["chebyshev_coefficients", "chebyshev_nodes", "chebyshev_sum"]


def chebyshev_nodes(count: int) -> np.ndarray:
    """Returns cos(π (j + ½) / N), j = 0 … N − 1, in (−1, 1)."""
    return np.cos(np.pi * (np.arange(count) + 0.5) / count)


def chebyshev_coefficients(values: tf.Tensor, dtype: tf.DType) -> list[tf.Tensor]:
    """Returns c₀ … c_N₋₁ of the polynomial Σₖ cₖ Tₖ(y), each [batch...].

    Args:
        values: of the polynomial at the nodes, [N, batch...].
        dtype: of the result.
    """
    count = values.shape[0]
    angles = np.outer(np.arange(count), np.pi * (np.arange(count) + 0.5) / count)
    weights = 2 / count * np.cos(angles)
    weights[0] /= 2
    found = tf.tensordot(tf.constant(weights, values.dtype), values, axes=1)
    return tf.unstack(tf.cast(found, dtype))


def chebyshev_sum(coefficients: list[tf.Tensor], y: tf.Tensor) -> tf.Tensor:
    """Returns Σₖ cₖ Tₖ(y), by Clenshaw's recurrence.

    Args:
        coefficients: three or more, broadcasting with y.
        y: [batch...], in [−1, 1].
    """
    twice = 2 * y
    last = coefficients[-1]
    before, last = last, coefficients[-2] + twice * last
    for coefficient in coefficients[-3:0:-1]:
        before, last = last, coefficient + (twice * last - before)
    return coefficients[0] + (y * last - before)
