"""Log-determinant of a square convolution: exact, and with a learned gradient."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tfp_flows.ops.conv2d import (
    adjoint_kernel,
    conv2d_matrix,
    conv2d_spectrum,
    kernel_counts,
    real_form,
)
from tfp_flows.ops.log_abs_det import log_abs_det
from tfp_flows.ops.prescribed_gradient import prescribed_gradient

__all__ = ["conv2d_log_abs_det", "self_normalizing_conv2d_log_abs_det"]


def self_normalizing_conv2d_log_abs_det(
    kernel: tf.Tensor,
    inverse_kernel: tf.Tensor,
    image_shape: Sequence[int],
    *,
    padding: str = "zero",
    value: tf.Tensor | None = None,
    density: str = "forward",
) -> tf.Tensor:
    """log|det T(w)| with the gradient that a learned inverse kernel r gives.

    Value: exact, or `value` where the caller knows it already.
    Gradient: ∂/∂w = u · flip(r) ⊙ m in place of the sum of T(w)⁻ᵀ over the places
    where each entry stands, with flip = `adjoint_kernel` and m = `kernel_counts`;
    for the mixture half of it, and ∂/∂r = −½ u · flip(w) ⊙ m.

    Args:
        kernel: w, [k₁, k₂, C, C].
        inverse_kernel: r, of the same shape.
        image_shape: (H, W) or (H, W, C).
        padding: "zero" or "circular".
        value: scalar log|det T(w)|. Computed here if None.
        density: "forward", or "mixture" of both densities.

    Raises:
        LookupError: on a second derivative.

    Reference: Keller et al. (2021), "Self Normalizing Flows", arXiv:2011.07248,
    section 3.2 and appendix A.2.
    """
    kernel = tf.convert_to_tensor(kernel)
    inverse_kernel = tf.convert_to_tensor(inverse_kernel)
    if value is None:
        value = conv2d_log_abs_det(tf.stop_gradient(kernel), image_shape, padding)
    counts = tf.constant(
        kernel_counts(kernel.shape[:2], image_shape, padding), kernel.dtype
    )
    if density == "mixture":
        return prescribed_gradient(
            value,
            [kernel, inverse_kernel],
            [counts * adjoint_kernel(inverse_kernel), counts * adjoint_kernel(kernel)],
            [0.5, -0.5],
        )
    return prescribed_gradient(
        value, [kernel], [counts * adjoint_kernel(inverse_kernel)]
    )


def conv2d_log_abs_det(
    kernel: tf.Tensor, image_shape: Sequence[int], padding: str = "zero"
) -> tf.Tensor:
    """Returns log|det T(w)|, exact, without building T(w).

    Circular: T(w) is block-diagonal in the Fourier basis, H · W blocks C × C.
    Zero: T(w) is block-tridiagonal in groups of p₁ image rows; QR of it, group by
    group, costs O(H (W C)³) instead of O((H W C)³) and is backward stable.

    Args:
        kernel: [k₁, k₂, C, C].
        image_shape: (H, W) or (H, W, C).
        padding: "zero" or "circular".
    """
    height, width = image_shape[:2]
    if padding == "circular":
        spectrum = conv2d_spectrum(kernel, image_shape)
        return 0.5 * tf.reduce_sum(log_abs_det(real_form(spectrum)))
    return _banded_log_abs_det(kernel, height, width)


def _banded_log_abs_det(kernel: tf.Tensor, height: int, width: int) -> tf.Tensor:
    """Block QR of the block-tridiagonal T(w), top to bottom.

    Before block row i the factorization has reduced what is above to [S, X], in the
    columns of blocks i − 1 and i. QR of S stacked on the block below the diagonal
    yields the next |diagonal| of R and, by the rest of Q, the next [S, X].
    """
    rows = max(kernel.shape[0] // 2, 1)
    num_blocks = -(-height // rows)
    lower, diagonal, upper = _block_row(kernel, rows, width)
    size = diagonal.shape[-1]
    inside = _rows_inside(height - rows * (num_blocks - 1), rows, size, kernel.dtype)
    beyond = tf.linalg.diag(1.0 - inside)
    last = [
        inside[:, None] * lower,
        inside[:, None] * diagonal * inside + beyond,
        tf.zeros_like(upper),
    ]
    if num_blocks == 1:
        return log_abs_det(last[1])

    def eliminate(
        total: tf.Tensor, top: tf.Tensor, beside: tf.Tensor, block: list[tf.Tensor]
    ) -> list[tf.Tensor]:
        below, here, after = block
        q, r = tf.linalg.qr(tf.concat([top, below], 0), full_matrices=True)
        total += _log_abs_diagonal(r[:size])
        q_top, q_below = q[:size, size:], q[size:, size:]
        top = tf.matmul(q_top, beside, transpose_a=True)
        top += tf.matmul(q_below, here, transpose_a=True)
        return [total, top, tf.matmul(q_below, after, transpose_a=True)]

    # The block above the last one must not reach beyond the image.
    def inner_block(index: tf.Tensor) -> list[tf.Tensor]:
        after = tf.where(index == num_blocks - 2, upper * inside, upper)
        return [lower, diagonal, after]

    first = inner_block(tf.constant(0))
    _, total, top, beside = tf.while_loop(
        lambda index, *_: index < num_blocks - 1,
        lambda index, total, top, beside: [
            index + 1,
            *eliminate(total, top, beside, inner_block(index)),
        ],
        [tf.constant(1), tf.zeros([], kernel.dtype), first[1], first[2]],
        maximum_iterations=num_blocks,
    )
    total, top, _ = eliminate(total, top, beside, last)
    return total + log_abs_det(top)


def _block_row(kernel: tf.Tensor, rows: int, width: int) -> list[tf.Tensor]:
    """The three blocks of T(w) that an inner group of image rows sees."""
    strip = conv2d_matrix(kernel, (3 * rows, width), "zero")
    size = strip.shape[0] // 3
    return tf.split(strip[size : 2 * size], 3, axis=1)


def _rows_inside(count: int, rows: int, size: int, dtype: tf.DType) -> tf.Tensor:
    """1 for entries of the first `count` of `rows` image rows, 0 beyond."""
    return tf.constant(np.repeat(np.arange(rows) < count, size // rows), dtype)


def _log_abs_diagonal(matrix: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(tf.math.log(tf.abs(tf.linalg.diag_part(matrix))))
