"""Fixed linear map to zero mean and unit covariance."""

from typing import Any

import numpy as np
import tensorflow as tf

from tfp_flows.bijectors.initialization.statistics import (
    checked_rows,
    mean_and_standard_deviation,
)
from tfp_flows.bijectors.trainable import TrainableBijector

__all__ = ["Whiten"]

# Of a correlation matrix; the first is none. A fifth of the rows judges them, if that
# is enough to judge by.
_RIDGES = np.array([0.0, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1])
_FEWEST_JUDGES = 20


class Whiten(TrainableBijector):
    """y = A (x − μ) with Cov[y] = I on the data it was set from; not trained.

    With the data's standard deviations σ and its correlation matrix R = Q Λ Qᵀ,
    A = R^(−1/2) diag(1/σ) with the symmetric root R^(−1/2) = Q Λ^(−1/2) Qᵀ. Of all
    whitenings this one keeps each y closest to its own column ("ZCA-cor"): what is
    simple about single columns, such as bounds or skewness, stays simple. Inverse:
    x = μ + diag(σ) R^(1/2) y. log|det J| = −Σᵢ (log σᵢ + ½ log λᵢ).

    A flow that starts here has, before its first step, the likelihood of the
    full-covariance Gaussian: the optimum of all linear flows. Strongly correlated
    columns cost a flow without it most of its training.

    Eigenvalues are computed in float64 and held at or above `min_eigenvalue`: a
    direction in which the data does not vary would otherwise be blown up without
    bound. Where rows are few for D the small ones are underestimated: if a Gaussian
    with a ridge, R + ρ I, is clearly more likely on rows held out, ρ is kept.

    Shapes: x, y: [batch..., D].

    Args:
        event_size: D, the size of the last axis.
        min_eigenvalue: floor of λᵢ relative to the unit variance of a column.
        dtype: dtype of the event and the statistics.
        validate_args: as in TFP.
        name: name of the bijector.

    Example:
        >>> bijector = Whiten(2)
        >>> x = tf.constant([[0.0, 1.0], [2.0, 5.0], [4.0, 3.0]])
        >>> bijector.initialize(x)
        >>> round(float(tf.math.reduce_std(bijector.forward(x))), 4)
        1.0

    Reference: Kessy, Lewin and Strimmer (2018), "Optimal Whitening and
    Decorrelation", arXiv:1512.00809, section 3.4.
    """

    def __init__(
        self,
        event_size: int,
        *,
        min_eigenvalue: float = 1e-6,
        dtype: Any = "float32",
        validate_args: bool = False,
        name: str = "whiten",
    ) -> None:
        if not min_eigenvalue > 0:
            raise ValueError(
                f"min_eigenvalue must be positive, received {min_eigenvalue}."
            )
        self.min_eigenvalue = min_eigenvalue
        self.event_size = event_size

        def variable(value: tf.Tensor, part: str) -> tf.Variable:
            return tf.Variable(value, trainable=False, name=f"{name}_{part}")

        self.mean = variable(tf.zeros([event_size], dtype), "mean")
        self.matrix = variable(tf.eye(event_size, dtype=dtype), "matrix")
        self.inverse_matrix = variable(tf.eye(event_size, dtype=dtype), "inverse")
        self.log_det = variable(tf.zeros([], dtype), "log_det")
        self.initialized = variable(tf.constant(False), "initialized")
        super().__init__(is_constant_jacobian=True)

    @property
    def standard_deviation(self) -> tf.Tensor:
        """Of each column of the data, [D]."""
        return tf.norm(self.inverse_matrix, axis=1)

    def initialize(self, x: Any) -> None:
        """Sets μ and A from rows x: [N..., D].

        Raises:
            ValueError: x has another width, too few rows, a non-finite entry or a
                constant feature.
        """
        caller = f"{self.name}.initialize"
        rows = checked_rows(x, self.event_size, caller)
        mean, deviation = mean_and_standard_deviation(x, self.event_size, caller)
        scaled = (rows - mean) / deviation
        eigenvalues, directions = np.linalg.eigh(scaled.T @ scaled / len(rows))
        eigenvalues = np.maximum(eigenvalues, self.min_eigenvalue)
        eigenvalues += _preferred_ridge(scaled, self.min_eigenvalue)
        root = np.sqrt(eigenvalues)
        self.initialized.assign(True)
        self.mean.assign(mean)
        self.matrix.assign((directions / root) @ directions.T / deviation)
        inverse = (directions * root) @ directions.T
        self.inverse_matrix.assign(deviation[:, None] * inverse)
        self.log_det.assign(-np.sum(np.log(deviation) + np.log(root)))

    def _forward_and_log_det(self, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        y = _multiplied(self.matrix, x - self.mean)
        return y, tf.convert_to_tensor(self.log_det)

    def _inverse_and_log_det(self, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        x = _multiplied(self.inverse_matrix, y) + self.mean
        return x, -tf.convert_to_tensor(self.log_det)


def _multiplied(matrix: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
    # One product of matrices: `matvec` makes a small one of each row.
    return tf.tensordot(rows, matrix, [[-1], [1]])


def _preferred_ridge(rows: np.ndarray, floor: float) -> float:
    """The most likely ridge on every fifth row; 0 within two standard errors of it."""
    judges = np.arange(len(rows)) % 5 == 0
    if judges.sum() < _FEWEST_JUDGES:
        return 0.0
    fitted = rows[~judges]
    eigenvalues, directions = np.linalg.eigh(fitted.T @ fitted / len(fitted))
    variances = np.maximum(eigenvalues, floor) + _RIDGES[:, None]
    squares = (rows[judges] @ directions) ** 2
    values = -0.5 * (squares @ (1.0 / variances).T + np.log(variances).sum(axis=1))
    gains = values - values[:, :1]
    mean, error = gains.mean(axis=0), gains.std(axis=0) / np.sqrt(len(gains))
    best = int(np.argmax(mean))
    return float(_RIDGES[best]) if mean[best] > 2 * error[best] else 0.0
