"""Inverses of linear maps: by iteration, and with the implicit function's gradient."""

from collections.abc import Callable

import tensorflow as tf

__all__ = ["implicit_inverse", "refined_inverse"]


def refined_inverse(
    apply: Callable[[tf.Tensor], tf.Tensor],
    approximate_inverse: Callable[[tf.Tensor], tf.Tensor],
    y: tf.Tensor,
    *,
    tolerance: float,
    max_iterations: int = 100,
) -> tf.Tensor:
    """Solves W x = y by Richardson's iteration with R ≈ W⁻¹ as preconditioner.

        x₀ = R y;  x ← x + R (y − W x)

    The error shrinks by ‖I − R W‖ a step. Ends when max|y − W x| ≤ tolerance ·
    max|y| in every row.

    Args:
        apply: W, [N, event...] → [N, event...].
        approximate_inverse: R.
        y: [N, event...].
        tolerance: relative to the largest |y| of the row; at least some multiples
            of the dtype's resolution.
        max_iterations: the most steps taken.

    Returns:
        x. Rows that did not reach the tolerance are NaN.

    Raises:
        tf.errors.InvalidArgumentError: a row did not reach the tolerance; not under
            XLA, which cannot raise.
    """
    axes = list(range(1, y.shape.rank))
    scale = tf.reduce_max(tf.abs(y), axes, keepdims=True)

    def largest_error(x: tf.Tensor) -> tf.Tensor:
        return tf.reduce_max(tf.abs(y - apply(x)), axes, keepdims=True)

    def unfinished(step: tf.Tensor, x: tf.Tensor, residual: tf.Tensor) -> tf.Tensor:
        largest = tf.reduce_max(tf.abs(residual), axes, keepdims=True)
        return tf.reduce_any(largest > tolerance * scale)

    def refine(step: tf.Tensor, x: tf.Tensor, residual: tf.Tensor) -> list[tf.Tensor]:
        x = x + approximate_inverse(residual)
        return [step + 1, x, y - apply(x)]

    start = approximate_inverse(y)
    _, x, _ = tf.while_loop(
        unfinished,
        refine,
        [tf.constant(0), start, y - apply(start)],
        maximum_iterations=max_iterations,
    )
    solved = largest_error(x) <= tolerance * scale
    message = (
        f"The refined inverse did not reach the relative tolerance {tolerance} in "
        f"{max_iterations} steps: the learned inverse is too far from W⁻¹. Train "
        'longer, raise the reconstruction weight, or use inverse="exact".'
    )
    check = tf.debugging.Assert(tf.reduce_all(solved), [message])
    with tf.control_dependencies([] if check is None else [check]):
        return tf.where(solved, x, tf.constant(float("nan"), x.dtype))


def implicit_inverse(
    solve: Callable[[tf.Tensor], tf.Tensor],
    solve_adjoint: Callable[[tf.Tensor], tf.Tensor],
    apply: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
    y: tf.Tensor,
    kernel: tf.Tensor,
) -> tf.Tensor:
    """Returns x = W⁻¹ y with the implicit function's gradient, however x is found.

    Value: `solve(y)`.
    Gradient, with δ the cotangent of x: ∂/∂y = W⁻ᵀ δ and ∂/∂W = −(W⁻ᵀ δ) xᵀ.

    Args:
        solve: y → W⁻¹ y.
        solve_adjoint: δ → W⁻ᵀ δ.
        apply: (x, kernel) → W x.
        y: [N, event...].
        kernel: the weights of W.
    """

    @tf.custom_gradient
    def attach(y: tf.Tensor, kernel: tf.Tensor) -> tuple:
        x = solve(y)

        def pull_back(cotangent: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            in_y = solve_adjoint(cotangent)
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(kernel)
                image = apply(x, kernel)
            return in_y, -tape.gradient(image, kernel, output_gradients=in_y)

        return x, pull_back

    return attach(y, tf.convert_to_tensor(kernel))
