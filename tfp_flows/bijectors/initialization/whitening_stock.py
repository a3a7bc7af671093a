"""Linear bijectors of TFP that hold variables, set to the optimum of linear flows.

Data at the input, y = W x, are white where ``W S Wᵀ = I``; data at the output, x = W y,
where ``W Wᵀ = S``. Every parametrization has such a W in reach: a triangular one the
inverse of the Cholesky factor of S, or the factor itself.
"""

from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow_probability import bijectors as tfb

from tfp_flows.bijectors.initialization.statistics import checked_rows
from tfp_flows.bijectors.initialization.whitening_matrix import closest_whitening

__all__ = ["whiten_stock"]

_PARAMETERS = {
    tf.linalg.LinearOperatorDiag: "diag",
    tf.linalg.LinearOperatorLowerTriangular: "tril",
    tf.linalg.LinearOperatorFullMatrix: "matrix",
}


def whiten_stock(bijector: tfb.Bijector, x: Any, *, inverse: bool) -> None:
    """Sets the variable of a linear bijector of TFP to its family's maximiser.

    Knows `ScaleMatvecDiag`, `ScaleMatvecTriL`, `ScaleMatvecLU`, and
    `ScaleMatvecLinearOperator` of a full matrix, without batch axes. Leaves any other
    bijector, and a matrix that is no variable, as it is.

    Args:
        bijector: any bijector.
        x: [N..., D], data at its input, or at its output if `inverse`.
        inverse: whether the data pass its inverse map.

    Raises:
        ValueError: x has another width, too few rows, a non-finite entry, or a
            direction in which it does not vary.
    """
    variable = _variable(bijector)
    operator = getattr(bijector, "scale", None)
    is_diagonal = isinstance(operator, tf.linalg.LinearOperatorDiag)
    if not hasattr(variable, "assign") or len(variable.shape) != 2 - is_diagonal:
        return
    present = tf.convert_to_tensor(variable).numpy().astype("float64")
    caller = f"whitening_init of {bijector.name}"
    rows = checked_rows(x, len(present), caller)
    if is_diagonal:
        value = _diagonal(rows, present, inverse, caller)
    else:
        is_full = isinstance(operator, tf.linalg.LinearOperatorFullMatrix)
        present = present if is_full else np.eye(len(present))
        # For triangular ones too: it names what Cholesky would not explain.
        closest = _closest(rows, present, bijector, inverse, caller)
        value = closest if is_full else _triangular(rows, bijector, inverse)
    variable.assign(tf.cast(value, variable.dtype))


def _variable(bijector: tfb.Bijector) -> Any:
    """What the matrix is made of; None for a bijector of another kind."""
    if isinstance(bijector, tfb.ScaleMatvecLU):
        return bijector.parameters["lower_upper"]
    operator = getattr(bijector, "scale", None)
    for kind, name in _PARAMETERS.items():
        if isinstance(operator, kind):
            return operator.parameters[name]
    return None


def _closest(
    rows: np.ndarray,
    present: np.ndarray,
    bijector: tfb.Bijector,
    inverse: bool,
    caller: str,
) -> np.ndarray:
    is_adjoint = bool(getattr(bijector, "adjoint", False))
    matrix = present.T if is_adjoint else present
    matrix = np.linalg.inv(matrix) if inverse else matrix
    matrix = closest_whitening(rows, matrix, caller)
    matrix = np.linalg.inv(matrix) if inverse else matrix
    return matrix.T if is_adjoint else matrix


def _triangular(rows: np.ndarray, bijector: tfb.Bijector, inverse: bool) -> np.ndarray:
    second = rows.T @ rows / len(rows)
    if isinstance(bijector, tfb.ScaleMatvecLU):
        order = tf.convert_to_tensor(bijector.parameters["permutation"]).numpy()
        return _lower_upper(second, order, inverse)
    return _upper(second, inverse).T if bijector.adjoint else _lower(second, inverse)


def _diagonal(
    rows: np.ndarray, present: np.ndarray, inverse: bool, caller: str
) -> np.ndarray:
    root = np.sqrt(np.mean(rows**2, axis=0))
    if not root.all():
        raise ValueError(
            f"{caller} received features that are zero in every row: "
            f"{np.flatnonzero(root == 0)}. Drop them, or dequantize integers."
        )
    return np.where(present < 0, -1.0, 1.0) * (root if inverse else 1 / root)


def _lower(second: np.ndarray, inverse: bool) -> np.ndarray:
    factor = np.linalg.cholesky(second)
    return factor if inverse else np.linalg.inv(factor)


def _upper(second: np.ndarray, inverse: bool) -> np.ndarray:
    """The same in an upper triangle: that of the features in reverse order."""
    return _lower(second[::-1, ::-1], inverse)[::-1, ::-1]


def _lower_upper(second: np.ndarray, order: np.ndarray, inverse: bool) -> np.ndarray:
    """Both factors in one matrix: W[order] = L U with ones on the diagonal of L."""
    if not inverse:
        return _upper(second, inverse)
    factor = _lower(second[np.ix_(order, order)], inverse)
    diagonal = np.diag(factor)
    return np.tril(factor / diagonal, -1) + np.diag(diagonal)
