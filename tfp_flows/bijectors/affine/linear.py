"""Invertible linear map with an exact log-determinant in O(D)."""

from typing import Any

import numpy as np
import tensorflow as tf

from tfp_flows.bijectors.initialization.draws import rotation
from tfp_flows.bijectors.initialization.whitening_matrix import closest_whitening
from tfp_flows.bijectors.trainable import TrainableBijector

__all__ = ["Linear"]


class Linear(TrainableBijector):
    """y = W x with W = P L U: a dense layer, or a 1×1 convolution of an image.

    P is a fixed permutation, L unit lower triangular, U upper triangular with
    diagonal sᵢ exp(dᵢ), the signs sᵢ fixed: W is invertible for every value of its
    weights. Inverse: two triangular solves, O(D²) a row. log|det J| = Σᵢ dᵢ, O(D);
    for an image times H · W.

    Shapes: x, y: [batch..., D]; an image [batch..., H, W, C] is mapped pixel by
    pixel with D = C.

    Args:
        event_size: D, the size of the last axis.
        initial: "identity", or "rotation" for a random rotation as in Glow.
        seed: makes the rotation reproducible.
        dtype: dtype of the event and the weights.
        validate_args: as in TFP.
        name: name of the bijector.

    Example:
        >>> bijector = Linear(3, initial="rotation", seed=1)
        >>> abs(float(bijector.forward_log_det_jacobian(tf.zeros([1, 3])))) < 1e-6
        True

    Reference: Kingma and Dhariwal (2018), "Glow", arXiv:1807.03039, section 3.2,
    eq. 10 and 11.
    """

    def __init__(
        self,
        event_size: int,
        *,
        initial: str = "identity",
        seed: int | None = None,
        dtype: Any = "float32",
        validate_args: bool = False,
        name: str = "linear",
    ) -> None:
        if event_size < 1:
            raise ValueError(f"event_size must be at least 1, received {event_size}.")
        permutation, lower, diagonal, upper = _factors(event_size, initial, seed)
        # The permutation and the signs follow from the arguments only with a seed;
        # as variables they are saved with the weights in any case.
        self.permutation = _constant(permutation, "int32", f"{name}_permutation")
        self.signs = _constant(np.sign(diagonal), dtype, f"{name}_signs")
        self.log_diagonal = _trained(
            np.log(np.abs(diagonal)), dtype, f"{name}_log_diagonal"
        )
        self.lower = _trained(lower, dtype, f"{name}_lower")
        self.upper = _trained(upper, dtype, f"{name}_upper")
        super().__init__(is_constant_jacobian=True)

    @property
    def matrix(self) -> tf.Tensor:
        """W = P L U, [D, D]."""
        lower, upper = self._triangles()
        return tf.gather(lower @ upper, self.permutation)

    def whiten(self, x: Any) -> None:
        """Sets W so that y has the identity as its auto-correlation on x: [N..., D].

        Of all such W, the maximisers of the likelihood, the one closest to the present
        matrix.

        Raises:
            ValueError: as `closest_whitening`.
        """
        present = np.asarray(self.matrix, "float64")
        order, lower, upper = _lu(closest_whitening(x, present, f"{self.name}.whiten"))
        diagonal = np.diag(upper)
        self.permutation.assign(order)
        self.signs.assign(np.sign(diagonal))
        self.log_diagonal.assign(np.log(np.abs(diagonal)))
        self.lower.assign(np.tril(lower, -1))
        self.upper.assign(np.triu(upper, 1))

    def _forward_and_log_det(self, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        y = tf.linalg.matmul(_rows(x), self.matrix, transpose_b=True)
        return tf.reshape(y, tf.shape(x)), tf.reduce_sum(self.log_diagonal)

    def _inverse_and_log_det(self, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        lower, upper = self._triangles()
        unpermuted = tf.gather(tf.transpose(_rows(y)), tf.argsort(self.permutation))
        x = tf.linalg.triangular_solve(lower, unpermuted)
        x = tf.linalg.triangular_solve(upper, x, lower=False)
        return (
            tf.reshape(tf.transpose(x), tf.shape(y)),
            -tf.reduce_sum(self.log_diagonal),
        )

    def _triangles(self) -> tuple[tf.Tensor, tf.Tensor]:
        size = self.log_diagonal.shape[0]
        below = tf.constant(np.tri(size, k=-1), self.dtype)
        lower = self.lower * below + tf.eye(size, dtype=self.dtype)
        diagonal = tf.linalg.diag(self.signs * tf.exp(self.log_diagonal))
        return lower, self.upper * tf.transpose(below) + diagonal


def _rows(x: tf.Tensor) -> tf.Tensor:
    return tf.reshape(x, [-1, x.shape[-1]])


def _constant(value: Any, dtype: Any, name: str) -> tf.Variable:
    return tf.Variable(tf.cast(value, dtype), trainable=False, name=name)


def _trained(value: Any, dtype: Any, name: str) -> tf.Variable:
    return tf.Variable(tf.cast(value, dtype), name=name)


def _factors(
    size: int, initial: str, seed: int | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Row order, L, diag(U) and U above the diagonal of the initial matrix."""
    if initial == "identity":
        zeros = np.zeros([size, size])
        return np.arange(size), zeros, np.ones(size), zeros
    if initial != "rotation":
        raise ValueError(
            f'initial must be "identity" or "rotation", received {initial!r}.'
        )
    order, lower, upper = _lu(rotation(size, seed))
    return order, np.tril(lower, -1), np.diag(upper), np.triu(upper, 1)


def _lu(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns (order, L, U) with matrix = (L U)[order], by TensorFlow's pivoted LU."""
    packed, pivots = (part.numpy() for part in tf.linalg.lu(matrix))
    lower = np.tril(packed, -1) + np.eye(len(matrix))
    return np.argsort(pivots), lower, np.triu(packed)
