"""Dense layer that is trained through a learned inverse."""

from typing import Any

import numpy as np
import tensorflow as tf

from tfp_flows import ops
from tfp_flows.bijectors.initialization.draws import rotation
from tfp_flows.bijectors.initialization.whitening_matrix import affine_whitening
from tfp_flows.bijectors.learned_inverse.protocol import check_options, solve_by
from tfp_flows.bijectors.trainable import TrainableBijector

__all__ = ["SelfNormalizingDense"]


class SelfNormalizingDense(TrainableBijector):
    """y = W x + b with R ≈ W⁻¹ learned beside W.

    log|det J| = log|det W|. Its value is exact: O(D³) by QR, or as the caller gives
    it in `log_abs_det`. `FlowModel` does, so that a training step costs O(N D²). Its
    gradient is that of `ops.self_normalizing_log_abs_det`: Rᵀ for W⁻ᵀ.

    R learns nothing from the likelihood. It follows W by a reconstruction penalty:
    `FlowModel` adds `objectives.Reconstruction` by itself; a training loop of your
    own has to.

    Shapes: x, y: [batch..., D]; an image [batch..., H, W, C] is mapped pixel by
    pixel with D = C, a self-normalizing 1×1 convolution.

    Args:
        event_size: D, the size of the last axis.
        initial: W at the start: "identity", "rotation" (random, orthogonal), or an
            invertible matrix [D, D]. R starts as its inverse.
        gradient: of log|det W|: "self_normalizing"; "exact" by `slogdet`, O(D³), the
            twin to compare with, without R and without XLA; "relative", the gradient
            multiplied by WᵀW (Gresele et al. 2020), which uses no inverse: R is then
            no trained weight but the inverse as of the model's last refresh.
        density: "forward" trains W by log p of the forward map. "mixture" trains W
            and R by ½ log pᶠ + ½ log pᵍ as in the paper, which is stable only if
            λ · s_min > ¼ to be safe, s_min the smallest eigenvalue of E[x xᵀ]; it
            halves the gradient that other losses get through y.
        inverse: "exact" by a solve, O(D³); "learned", R (y − b); "refined", the
            learned one improved by Richardson's iteration up to `tolerance`.
        tolerance: of the refined inverse, relative to the largest |y − b| of a row.
        seed: makes the rotation reproducible.
        dtype: dtype of the event and the weights.
        validate_args: as in TFP.
        name: name of the bijector.

    Example:
        >>> bijector = SelfNormalizingDense(2, initial=[[2.0, 0.0], [1.0, 3.0]])
        >>> round(float(bijector.forward_log_det_jacobian(tf.zeros([1, 2]))), 4)
        1.7918

    Reference: Keller et al. (2021), "Self Normalizing Flows", arXiv:2011.07248,
    section 3.1, eq. 3 to 5.
    """

    def __init__(
        self,
        event_size: int,
        *,
        initial: Any = "identity",
        gradient: str = "self_normalizing",
        density: str = "forward",
        inverse: str = "exact",
        tolerance: float = 1e-4,
        seed: int | None = None,
        dtype: Any = "float32",
        validate_args: bool = False,
        name: str = "self_normalizing_dense",
    ) -> None:
        check_options(gradient, density, inverse)
        matrix = _initial_matrix(event_size, initial, seed)
        self.gradient, self.density, self.inverse_kind = gradient, density, inverse
        self.tolerance = tolerance
        self.learns_inverse = gradient == "self_normalizing"
        # XLA has no LU factorization on a CPU.
        self.supports_jit = gradient != "exact"
        self.probe_shape = (event_size,)
        self.kernel = tf.Variable(tf.cast(matrix, dtype), name=f"{name}_kernel")
        self.bias = tf.Variable(tf.zeros([event_size], dtype), name=f"{name}_bias")
        if gradient != "exact":
            # R is kept transposed, as it stands in the gradient: to transpose a large
            # matrix takes longer than to multiply by it.
            self.inverse_transposed = tf.Variable(
                tf.cast(np.linalg.inv(matrix).T, dtype),
                trainable=self.learns_inverse,
                name=f"{name}_inverse_transposed",
            )
        # A matrix only starts the weights, which are saved by themselves.
        named = initial if isinstance(initial, str) else "identity"
        super().__init__(parameters={"initial": named}, is_constant_jacobian=True)

    @property
    def inverse_kernel(self) -> tf.Tensor:
        """R ≈ W⁻¹, [D, D]."""
        return tf.transpose(self.inverse_transposed)

    def whiten(self, x: Any) -> None:
        """Sets W and b so that y has zero mean and unit covariance on x: [N..., D].

        Of all such W, the maximisers of the likelihood, the one closest to the present
        matrix; R = W⁻¹.

        Raises:
            ValueError: as `closest_whitening`.
        """
        present = np.asarray(tf.convert_to_tensor(self.kernel), "float64")
        matrix, bias = affine_whitening(x, present, f"{self.name}.whiten")
        self.kernel.assign(matrix)
        self.bias.assign(bias)
        if self.gradient != "exact":
            self.inverse_transposed.assign(np.linalg.inv(matrix).T)

    def multiply(self, x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        """The linear map of a matrix, [N, D] → [N, D]."""
        return tf.matmul(x, kernel, transpose_b=True)

    def multiply_inverse(self, y: tf.Tensor) -> tf.Tensor:
        """Returns R y, [N, D] → [N, D]."""
        return tf.matmul(y, self.inverse_transposed)

    def adjoint(self, kernel: tf.Tensor) -> tf.Tensor:
        """The transposed matrix."""
        return tf.transpose(kernel)

    def log_abs_det(self) -> tf.Tensor:
        """Exact log|det W|, O(D³)."""
        return ops.log_abs_det(tf.convert_to_tensor(self.kernel))

    def log_abs_det_of_inverse(self) -> tf.Tensor:
        """Exact log|det R|, O(D³)."""
        return ops.log_abs_det(tf.convert_to_tensor(self.inverse_transposed))

    def log_abs_det_gradient(self) -> tf.Tensor:
        """Returns Rᵀ, which stands for W⁻ᵀ, [D, D]."""
        return tf.convert_to_tensor(self.inverse_transposed)

    def refresh_inverse(self) -> None:
        """Sets R = W⁻¹, O(D³)."""
        self.inverse_transposed.assign(tf.transpose(tf.linalg.inv(self.kernel)))

    def solve(self, y: tf.Tensor, inverse: str) -> tf.Tensor:
        """W⁻¹ y, [N, D] → [N, D], by the named kind of inverse."""
        return solve_by(inverse, _exact_solution, self, y, self.tolerance)

    def _forward_and_log_det(
        self, x: tf.Tensor, log_abs_det: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        rows = tf.reshape(x, [-1, x.shape[-1]])
        if self.gradient == "relative":
            y = ops.relative_matvec(rows, tf.convert_to_tensor(self.kernel))
        elif self.density == "mixture":
            y = ops.mixture_linear(
                self.multiply, rows, self.kernel, self.inverse_kernel
            )
        else:
            y = self.multiply(rows, self.kernel)
        y = tf.reshape(y, tf.shape(x)) + self.bias
        return y, self._log_det(log_abs_det)

    def _inverse_and_log_det(
        self, y: tf.Tensor, log_abs_det: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        rows = tf.reshape(y - self.bias, [-1, y.shape[-1]])
        x = self.solve(rows, self.inverse_kind)
        return tf.reshape(x, tf.shape(y)), -self._log_det(log_abs_det)

    def _log_det(self, value: tf.Tensor | None) -> tf.Tensor:
        if self.gradient == "exact":
            return tf.linalg.slogdet(self.kernel).log_abs_determinant
        if self.gradient == "relative":
            return ops.relative_log_abs_det(self.kernel, value=value)
        return ops.self_normalizing_log_abs_det(
            self.kernel, self.inverse_transposed, value=value, density=self.density
        )


def _exact_solution(y: tf.Tensor, matrix: tf.Tensor) -> tf.Tensor:
    return tf.transpose(tf.linalg.solve(matrix, tf.transpose(y)))


def _initial_matrix(size: int, initial: Any, seed: int | None) -> np.ndarray:
    if size < 1:
        raise ValueError(f"event_size must be at least 1, received {size}.")
    if isinstance(initial, str):
        if initial == "identity":
            return np.eye(size)
        if initial == "rotation":
            return rotation(size, seed)
        raise ValueError(
            f'initial must be "identity", "rotation" or a matrix, received {initial!r}.'
        )
    matrix = np.asarray(initial, "float64")
    if matrix.shape != (size, size):
        raise ValueError(
            f"initial must be a square matrix {(size, size)}, received shape "
            f"{matrix.shape}: a layer that changes the size has no inverse and no "
            "density."
        )
    condition = np.linalg.cond(matrix) if np.isfinite(matrix).all() else np.inf
    if not condition < 1e6:
        raise ValueError(
            "initial must be an invertible matrix, received one with condition number "
            f"{condition:.1e}; a learned inverse cannot follow it beyond 1e6. "
            'Scale its rows, or start from "identity" or "rotation".'
        )
    return matrix
