"""Convolutional layer that is trained through a learned inverse."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfp_flows import ops
from tfp_flows.bijectors.initialization.draws import rotation
from tfp_flows.bijectors.initialization.whitening_matrix import affine_whitening
from tfp_flows.bijectors.learned_inverse.protocol import check_options, solve_by
from tfp_flows.bijectors.trainable import TrainableBijector

__all__ = ["SelfNormalizingConv2D"]

# The dense matrix of a zero-padded convolution takes 64 MiB at this size.
_LARGEST_DENSE = 4096


class SelfNormalizingConv2D(TrainableBijector):
    """y = w ⋆ x + b, a square convolution, with r ⋆ ≈ (w ⋆)⁻¹ learned beside it.

    log|det J| = log|det T(w)|, T(w) the matrix of the convolution. Its value is
    exact: by Fourier transform for circular padding, by a banded QR factorization
    for zero padding, or as the caller gives it in `log_abs_det`, as `FlowModel`
    does. Its gradient is that of `ops.self_normalizing_conv2d_log_abs_det`.

    A convolution with zero padding has in general no inverse that is a convolution
    of the same size: the learned r is the nearest, and the gradient is biased by
    some percent for kernels near the identity. A circular kernel that covers the
    image, and 1 × 1, have an exact one.

    Shapes: x, y: [batch..., H, W, C].

    Args:
        event_shape: (H, W, C).
        kernel_size: odd; one number or (rows, columns).
        padding: "zero" as in the paper, or "circular".
        initial: w at the start: "identity" (1 at the center), "rotation" (a random
            orthogonal matrix at the center), or a kernel [k₁, k₂, C, C]. r starts as
            `ops.adjoint_kernel(w)`, the inverse for both names.
        gradient: "self_normalizing", or "exact" by the dense matrix of the
            convolution, O((H W C)³), the twin to compare with.
        density: as in `SelfNormalizingDense`.
        inverse: "exact" by Fourier transform, or with zero padding by the dense
            matrix up to H W C = 4096; "learned", r ⋆ (y − b); "refined", the learned
            one improved by Richardson's iteration up to `tolerance`.
        tolerance: of the refined inverse, relative to the largest |y − b| of an
            image.
        filters: C, if given: a flow keeps the number of channels.
        strides: 1, if given: a flow keeps the number of pixels.
        seed: makes the rotation reproducible.
        dtype: dtype of the event and the weights.
        validate_args: as in TFP.
        name: name of the bijector.

    Example:
        >>> bijector = SelfNormalizingConv2D((4, 4, 2), padding="circular")
        >>> round(abs(float(bijector.forward_log_det_jacobian(tf.zeros([4, 4, 2])))), 5)
        0.0

    Reference: Keller et al. (2021), "Self Normalizing Flows", arXiv:2011.07248,
    section 3.2.
    """

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        kernel_size: int | Sequence[int] = 3,
        padding: str = "zero",
        initial: Any = "identity",
        gradient: str = "self_normalizing",
        density: str = "forward",
        inverse: str = "exact",
        tolerance: float = 1e-4,
        filters: int | None = None,
        strides: int | Sequence[int] = 1,
        seed: int | None = None,
        dtype: Any = "float32",
        validate_args: bool = False,
        name: str = "self_normalizing_conv2d",
    ) -> None:
        check_options(gradient, density, inverse)
        size = _checked_kernel_size(kernel_size, event_shape, padding)
        _check_square(event_shape, filters, strides)
        _check_affordable(event_shape, padding, gradient, inverse)
        kernel = _initial_kernel(size, event_shape[-1], initial, seed)
        self.gradient, self.density, self.inverse_kind = gradient, density, inverse
        self.padding, self.tolerance = padding, tolerance
        self.learns_inverse = gradient == "self_normalizing"
        self.supports_jit = gradient != "exact"
        self.probe_shape = tuple(event_shape)
        self.kernel = tf.Variable(tf.cast(kernel, dtype), name=f"{name}_kernel")
        self.bias = tf.Variable(tf.zeros(event_shape[-1:], dtype), name=f"{name}_bias")
        if gradient != "exact":
            self.inverse_kernel = tf.Variable(
                ops.adjoint_kernel(self.kernel), name=f"{name}_inverse_kernel"
            )
        # A kernel only starts the weights, which are saved by themselves.
        named = initial if isinstance(initial, str) else "identity"
        super().__init__(
            parameters={"initial": named}, event_ndims=3, is_constant_jacobian=True
        )

    def whiten(self, x: Any) -> None:
        """Makes w the 1 × 1 convolution, and b, that give y white channels on x.

        The taps but the central one become zero: with zero padding no others have a
        closed-form optimum. r is its inverse.

        Args:
            x: [N, H, W, C].

        Raises:
            ValueError: as `closest_whitening`.
        """
        kernel = np.zeros(self.kernel.shape)
        rows, columns = (size // 2 for size in kernel.shape[:2])
        present = tf.transpose(self.kernel[rows, columns]).numpy().astype("float64")
        matrix, bias = affine_whitening(x, present, f"{self.name}.whiten")
        kernel[rows, columns] = matrix.T
        self.kernel.assign(kernel)
        self.bias.assign(bias)
        if self.gradient != "exact":
            kernel[rows, columns] = np.linalg.inv(matrix).T
            self.inverse_kernel.assign(kernel)

    def multiply(self, x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        """The convolution with a kernel, [N, H, W, C] → [N, H, W, C]."""
        return ops.conv2d(x, kernel, self.padding)

    def multiply_inverse(self, y: tf.Tensor) -> tf.Tensor:
        """Returns r ⋆ y, [N, H, W, C] → [N, H, W, C]."""
        return ops.conv2d(y, tf.convert_to_tensor(self.inverse_kernel), self.padding)

    def adjoint(self, kernel: tf.Tensor) -> tf.Tensor:
        """The kernel of the transposed convolution."""
        return ops.adjoint_kernel(kernel)

    def log_abs_det(self) -> tf.Tensor:
        """Exact log|det T(w)|."""
        kernel = tf.convert_to_tensor(self.kernel)
        return ops.conv2d_log_abs_det(kernel, self.probe_shape, self.padding)

    def log_abs_det_of_inverse(self) -> tf.Tensor:
        """Exact log|det T(r)|."""
        kernel = tf.convert_to_tensor(self.inverse_kernel)
        return ops.conv2d_log_abs_det(kernel, self.probe_shape, self.padding)

    def log_abs_det_gradient(self) -> tf.Tensor:
        """Returns flip(r) ⊙ m, [k₁, k₂, C, C]."""
        size = self.kernel.shape[:2]
        counts = ops.kernel_counts(size, self.probe_shape, self.padding)
        adjoint = ops.adjoint_kernel(self.inverse_kernel)
        return tf.cast(counts, adjoint.dtype) * adjoint

    def solve(self, y: tf.Tensor, inverse: str) -> tf.Tensor:
        """Solves w ⋆ x = y, [N, H, W, C], by the named kind of inverse.

        Raises:
            NotImplementedError: exact, zero padding, and a matrix that is too large.
        """
        size = int(np.prod(self.probe_shape))
        if inverse == "exact" and self.padding == "zero" and size > _LARGEST_DENSE:
            raise NotImplementedError(
                f"The exact inverse needs a {size} × {size} matrix; the largest "
                f'allowed is {_LARGEST_DENSE}. Ask for the "refined" one.'
            )

        def exact(y: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
            return ops.conv2d_solve(y, kernel, self.padding)

        return solve_by(inverse, exact, self, y, self.tolerance)

    def _forward_and_log_det(
        self, x: tf.Tensor, log_abs_det: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        images = tf.reshape(x, [-1, *self.probe_shape])
        if self.density == "mixture":
            y = ops.mixture_linear(
                self.multiply, images, self.kernel, self.inverse_kernel
            )
        else:
            y = self.multiply(images, self.kernel)
        y = tf.reshape(y, tf.shape(x)) + self.bias
        return y, self._log_det(log_abs_det)

    def _inverse_and_log_det(
        self, y: tf.Tensor, log_abs_det: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        images = tf.reshape(y - self.bias, [-1, *self.probe_shape])
        x = self.solve(images, self.inverse_kind)
        return tf.reshape(x, tf.shape(y)), -self._log_det(log_abs_det)

    def _log_det(self, value: tf.Tensor | None) -> tf.Tensor:
        if self.gradient == "exact":
            matrix = ops.conv2d_matrix(
                tf.convert_to_tensor(self.kernel), self.probe_shape, self.padding
            )
            return tf.linalg.slogdet(matrix).log_abs_determinant
        return ops.self_normalizing_conv2d_log_abs_det(
            self.kernel,
            self.inverse_kernel,
            self.probe_shape,
            padding=self.padding,
            value=value,
            density=self.density,
        )


def _checked_kernel_size(
    kernel_size: int | Sequence[int], event_shape: Sequence[int], padding: str
) -> tuple[int, int]:
    if len(event_shape) != 3:
        raise ValueError(
            f"event_shape must be (height, width, channels), received {event_shape}."
        )
    if padding not in ("zero", "circular"):
        raise ValueError(f'padding must be "zero" or "circular", received {padding!r}.')
    size = (kernel_size,) * 2 if isinstance(kernel_size, int) else tuple(kernel_size)
    if len(size) != 2 or any(k < 1 or k % 2 == 0 for k in size):
        raise ValueError(
            f"kernel_size must be odd, received {kernel_size}: an even kernel is "
            "padded on one side more than on the other, so the transposed map is no "
            "convolution with the mirrored kernel. Take the next odd size."
        )
    for k, pixels in zip(size, event_shape, strict=False):
        if k > pixels and (padding == "circular" or k // 2 >= pixels):
            raise ValueError(
                f"kernel_size {size} reaches around an image of {tuple(event_shape)}. "
                "Take a smaller kernel."
            )
    return size


def _check_square(
    event_shape: Sequence[int], filters: int | None, strides: int | Sequence[int]
) -> None:
    if filters is not None and filters != event_shape[-1]:
        raise ValueError(
            f"filters must equal the {event_shape[-1]} channels of the image, received "
            f"{filters}: a convolution that changes their number is not invertible. "
            "Use Squeeze to trade pixels for channels."
        )
    if np.any(np.asarray(strides) != 1):
        raise ValueError(
            f"strides must be 1, received {strides}: a strided convolution drops "
            "pixels and is not invertible. Use Squeeze before the layer."
        )


def _check_affordable(
    event_shape: Sequence[int], padding: str, gradient: str, inverse: str
) -> None:
    if gradient == "relative":
        raise ValueError(
            "The relative gradient exists for dense layers: W Wᵀ W of a convolution "
            'is no convolution of the same size. Use gradient="self_normalizing".'
        )
    size = int(np.prod(event_shape))
    needs_matrix = gradient == "exact" or (inverse == "exact" and padding == "zero")
    if gradient == "exact" and size > _LARGEST_DENSE:
        raise ValueError(
            f"The exact gradient needs the {size} × {size} matrix of the convolution; "
            f"the largest allowed is {_LARGEST_DENSE}. Use smaller images, or "
            'gradient="self_normalizing".'
        )
    if needs_matrix and size > _LARGEST_DENSE:
        raise ValueError(
            f"The exact inverse with zero padding needs the {size} × {size} matrix of "
            f"the convolution; the largest allowed is {_LARGEST_DENSE}. Use "
            'inverse="refined" or padding="circular".'
        )


def _initial_kernel(
    size: tuple[int, int], channels: int, initial: Any, seed: int | None
) -> np.ndarray:
    if not isinstance(initial, str):
        kernel = np.asarray(initial, "float64")
        if kernel.shape != (*size, channels, channels):
            raise ValueError(
                f"initial must be a kernel {(*size, channels, channels)}, received "
                f"shape {kernel.shape}."
            )
        if not np.isfinite(kernel).all() or not kernel.any():
            raise ValueError("initial must be finite and not all zero.")
        return kernel
    if initial not in ("identity", "rotation"):
        raise ValueError(
            f'initial must be "identity", "rotation" or a kernel, received {initial!r}.'
        )
    center = np.eye(channels)
    if initial == "rotation":
        center = rotation(channels, seed)
    kernel = np.zeros([*size, channels, channels])
    kernel[size[0] // 2, size[1] // 2] = center
    return kernel
