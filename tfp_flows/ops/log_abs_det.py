"""Log-determinants of matrices: exact, and with gradients that need no inverse."""

import tensorflow as tf

from tfp_flows.ops.prescribed_gradient import first_order_only, prescribed_gradient

__all__ = [
    "log_abs_det",
    "pivot_ratio",
    "relative_log_abs_det",
    "relative_matvec",
    "self_normalizing_log_abs_det",
]


def log_abs_det(matrix: tf.Tensor) -> tf.Tensor:
    """Returns log|det W| = Σᵢ log|Rᵢᵢ| of the factorization W = Q R, O(D³).

    QR and not LU: XLA has no LU on a CPU. Costs 3.5 times `tf.linalg.slogdet` at
    D = 784, so it is for values that are computed once for a set of weights.

    Args:
        matrix: [..., D, D].
    """
    return tf.reduce_sum(tf.math.log(_pivots(matrix)), axis=-1)


def pivot_ratio(matrix: tf.Tensor) -> tf.Tensor:
    """Returns minᵢ |Rᵢᵢ| / maxᵢ |Rᵢᵢ| of W = Q R: rounding only if W is singular.

    Args:
        matrix: [..., D, D].
    """
    pivots = _pivots(matrix)
    return tf.reduce_min(pivots, axis=-1) / tf.reduce_max(pivots, axis=-1)


def _pivots(matrix: tf.Tensor) -> tf.Tensor:
    return tf.abs(tf.linalg.diag_part(tf.linalg.qr(matrix).r))


def self_normalizing_log_abs_det(
    matrix: tf.Tensor,
    inverse_transposed: tf.Tensor,
    *,
    value: tf.Tensor | None = None,
    density: str = "forward",
) -> tf.Tensor:
    """log|det W| with the gradient that a learned inverse R gives in O(D²).

    Value: log|det W|, exact, or `value` where the caller knows it already.
    Gradient: ∂/∂W = u Rᵀ in place of u W⁻ᵀ, and none to R; for the mixture of both
    densities ∂/∂W = ½ u Rᵀ and ∂/∂Rᵀ = −½ u W. Exact where R = W⁻¹; with
    R W = I − E it is off by at most ‖W⁻¹‖ ‖E‖.

    Args:
        matrix: W, [D, D].
        inverse_transposed: Rᵀ, [D, D]: what stands in the gradient.
        value: scalar log|det W|. Computed here, O(D³), if None.
        density: "forward" for pᶠ, "mixture" for ½ log pᶠ + ½ log pᵍ.

    Raises:
        LookupError: on a second derivative.

    Reference: Keller et al. (2021), "Self Normalizing Flows", arXiv:2011.07248,
    eq. 4 and 5.
    """
    matrix = tf.convert_to_tensor(matrix)
    inverse_transposed = tf.convert_to_tensor(inverse_transposed)
    value = log_abs_det(tf.stop_gradient(matrix)) if value is None else value
    if density == "mixture":
        return prescribed_gradient(
            value,
            [matrix, inverse_transposed],
            [inverse_transposed, matrix],
            [0.5, -0.5],
        )
    return prescribed_gradient(value, [matrix], [inverse_transposed])


def relative_log_abs_det(
    matrix: tf.Tensor, *, value: tf.Tensor | None = None
) -> tf.Tensor:
    """log|det W| with the relative gradient, which needs no inverse.

    Value: as in `self_normalizing_log_abs_det`.
    Gradient: u W⁻ᵀ Wᵀ W = u W.

    Reference: Gresele et al. (2020), "Relative gradient optimization of the Jacobian
    term in unsupervised deep learning", arXiv:2006.15090, section 4.
    """
    matrix = tf.convert_to_tensor(matrix)
    value = log_abs_det(tf.stop_gradient(matrix)) if value is None else value
    return prescribed_gradient(value, [matrix], [matrix])


@tf.custom_gradient
def relative_matvec(x: tf.Tensor, matrix: tf.Tensor) -> tuple:
    """Returns y = W x for each row, with the relative gradient of W.

    Value: x Wᵀ.
    Gradient: ∂/∂x as usual; ∂/∂W = (δᵀ x) WᵀW, computed as δᵀ (y W) in O(N D²).

    Args:
        x: [N, D].
        matrix: W, [D, D].

    Reference: as in `relative_log_abs_det`.
    """
    y = tf.matmul(x, matrix, transpose_b=True)

    def pull_back(cotangent: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        in_matrix = tf.matmul(cotangent, tf.matmul(y, matrix), transpose_a=True)
        return (
            tf.matmul(cotangent, matrix),
            first_order_only(in_matrix, [x, matrix]),
        )

    return y, pull_back
