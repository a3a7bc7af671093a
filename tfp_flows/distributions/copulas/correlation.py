"""Correlation matrices and their Cholesky factors, checked."""

from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import bijectors as tfb

from tfp_flows.distributions.copulas.copula import refuse_keras_variable

__all__ = ["checked_factor", "correlation_factor", "factor_properties"]

_CORRELATION_TOLERANCE = 1e-4


def correlation_factor(correlation: Any, dtype: Any = "float32") -> tf.Tensor:
    """Returns L, [D, D], of a correlation matrix R = L Lᵀ, [D, D].

    Raises:
        ValueError: R is not square or symmetric, has a diagonal other than one, or is
            not positive definite.
    """
    matrix = np.asarray(correlation, "float64")
    fault = _correlation_fault(matrix)
    if fault is not None:
        raise ValueError(
            f"Expected a correlation matrix, received one {fault}. Divide a "
            "covariance by the standard deviations of its rows and columns."
        )
    return tf.constant(np.linalg.cholesky(matrix), dtype)


def _correlation_fault(matrix: np.ndarray) -> str | None:
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        return f"of shape {matrix.shape}, not [D, D]"
    if not np.all(np.isfinite(matrix)):
        return "with an entry that is not finite"
    if not np.allclose(matrix, matrix.T, atol=_CORRELATION_TOLERANCE):
        return "that is not symmetric"
    if not np.allclose(np.diag(matrix), 1, atol=_CORRELATION_TOLERANCE):
        return f"with the diagonal {np.diag(matrix).round(4).tolist()}, not ones"
    smallest = np.linalg.eigvalsh(matrix)[0]
    if smallest <= 0:
        return f"that is not positive definite (least eigenvalue {smallest:.3g})"
    return None


def checked_factor(factor: Any, dtype: Any, name: str) -> Any:
    """Returns a factor L, [D, D], after checking it as far as it is known.

    Raises:
        TypeError: a `keras.Variable`, which TFP would take for a constant.
        ValueError: it is no Cholesky factor of a correlation matrix.
    """
    label = f"correlation_cholesky of {name}"
    refuse_keras_variable(factor, "a matrix", label)
    is_reference = isinstance(factor, tf.Variable | tfp.util.DeferredTensor)
    checked = factor if is_reference else tf.convert_to_tensor(factor, dtype)
    if checked.shape.rank != 2 or checked.shape[0] != checked.shape[1]:
        raise ValueError(
            f"{label}: expected shape [D, D], received {tuple(checked.shape)}."
        )
    known = tf.get_static_value(tf.convert_to_tensor(checked))
    if known is not None:
        norms = np.sum(known**2, axis=1)
        is_factor = (
            np.all(np.triu(known, 1) == 0)
            and np.all(np.diag(known) > 0)
            and np.allclose(norms, 1, atol=_CORRELATION_TOLERANCE)
        )
        if not is_factor:
            raise ValueError(
                f"{label}: expected a lower triangular matrix "
                "with a positive diagonal and rows of unit norm, received rows of "
                f"norm {np.sqrt(norms).round(4).tolist()}. correlation_factor(R) makes "
                "it from a correlation matrix."
            )
    return checked


def factor_properties() -> Any:
    """TFP's properties of a factor L: how it is constrained by default."""
    return tfp.util.ParameterProperties(
        event_ndims=2,
        shape_fn=lambda sample_shape: [*sample_shape, sample_shape[-1]],
        default_constraining_bijector_fn=tfb.CorrelationCholesky,
    )
