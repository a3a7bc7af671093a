"""Gradients of the average of a layer's two densities, forward and inverse."""

from collections.abc import Callable

import tensorflow as tf

from tfp_flows.ops.prescribed_gradient import first_order_only

__all__ = ["mixture_linear"]


def mixture_linear(
    apply: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
    x: tf.Tensor,
    kernel: tf.Tensor,
    inverse_kernel: tf.Tensor,
) -> tf.Tensor:
    """Returns y = W x, trained as ½ log pᶠ + ½ log pᵍ of the maps W and R ≈ W⁻¹.

    Value: `apply(x, kernel)`.
    Gradient, with δ the cotangent of y: ∂/∂x = Wᵀ δ in full, ∂/∂W = ½ δ xᵀ,
    ∂/∂R = −½ (Wᵀ δ) yᵀ. Whatever else uses y sees the halved gradient of W too.

    Args:
        apply: (x, kernel) → y, linear in both.
        x: [N, event...].
        kernel: W.
        inverse_kernel: R, of the shape of W.

    Reference: Keller et al. (2021), "Self Normalizing Flows", arXiv:2011.07248,
    eq. 3 to 5 and the released code, which takes R⁻¹ x for W x.
    """

    @tf.custom_gradient
    def attach(x: tf.Tensor, kernel: tf.Tensor, inverse_kernel: tf.Tensor) -> tuple:
        y = apply(x, kernel)

        def pull_back(cotangent: tf.Tensor) -> list[tf.Tensor]:
            in_x, in_kernel = _pull_back(apply, x, kernel, cotangent)
            _, in_inverse = _pull_back(apply, y, inverse_kernel, in_x)
            inputs = [x, kernel, inverse_kernel]
            return [
                in_x,
                first_order_only(0.5 * in_kernel, inputs),
                first_order_only(-0.5 * in_inverse, inputs),
            ]

        return y, pull_back

    return attach(x, *map(tf.convert_to_tensor, (kernel, inverse_kernel)))


def _pull_back(
    apply: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
    x: tf.Tensor,
    kernel: tf.Tensor,
    cotangent: tf.Tensor,
) -> list[tf.Tensor]:
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch([x, kernel])
        y = apply(x, kernel)
    return tape.gradient(y, [x, kernel], output_gradients=cotangent)
