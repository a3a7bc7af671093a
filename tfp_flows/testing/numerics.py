"""Tolerances by dtype, one measure of error, and log|det| in float64."""

from typing import Any

import numpy as np
import tensorflow as tf

__all__ = ["as_tensor", "default_tolerance", "log_abs_det", "relative_error"]

# About 10⁴ to 10⁷ units of round-off: room for a dozen composed layers, while a
# forgotten factor of the Jacobian is of order one.
_TOLERANCES = {tf.float64: 1e-8, tf.float32: 5e-4, tf.float16: 5e-2, tf.bfloat16: 0.2}


def as_tensor(values: Any, default: tf.DType) -> tf.Tensor:
    """Converts values; tensors and arrays keep their dtype, numbers get `default`."""
    if tf.is_tensor(values) or isinstance(values, np.ndarray):
        return tf.convert_to_tensor(values)
    return tf.convert_to_tensor(values, dtype=default)


def default_tolerance(dtype: tf.DType) -> float:
    """Largest `relative_error` that round-off in this dtype explains.

    Args:
        dtype: a floating dtype.

    Returns:
        1e-8 for float64, 5e-4 for float32, more for the half precisions.

    Raises:
        TypeError: the dtype is not floating.
    """
    if dtype not in _TOLERANCES:
        raise TypeError(
            "Expected values of a floating dtype, since the audit differentiates. "
            f"Received: dtype={dtype.name}."
        )
    return _TOLERANCES[dtype]


def relative_error(actual: np.ndarray, expected: np.ndarray) -> float:
    """Largest |a − b| / (1 + |b|): relative for large values, absolute for small.

    Args:
        actual: any shape.
        expected: the same shape.

    Returns:
        The error; infinity where the shapes differ or a value is not a number.
    """
    a, b = np.asarray(actual, np.float64), np.asarray(expected, np.float64)
    if a.shape != b.shape:
        return np.inf
    if a.size == 0:
        return 0.0
    with np.errstate(invalid="ignore"):
        error = np.where(a == b, 0.0, np.abs(a - b) / (1 + np.abs(b)))
    return float(np.max(np.nan_to_num(error, nan=np.inf, posinf=np.inf)))


def log_abs_det(matrices: np.ndarray) -> np.ndarray:
    """log|det M| of each matrix, in float64.

    Args:
        matrices: [batch..., D, D].

    Returns:
        [batch...], −inf for a singular matrix and `nan` for one that is not finite.
    """
    matrices = np.asarray(matrices, np.float64)
    finite = np.isfinite(matrices).all(axis=(-2, -1))
    safe = np.where(finite[..., None, None], matrices, np.eye(matrices.shape[-1]))
    return np.where(finite, np.linalg.slogdet(safe)[1], np.nan)
