"""Square convolutions as linear maps: adjoint, matrix, exact solution.

Layout: images [..., H, W, C], kernels [k₁, k₂, C, C] (rows, columns, in, out), odd
sizes, stride 1, cross-correlation as in every deep-learning library:

    y[h, w] = Σᵢⱼ x[h + i − p₁, w + j − p₂] · kernel[i, j],  pᵢ = (kᵢ − 1) / 2

beyond the border x is zero ("zero" padding) or continues periodically ("circular").
"""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

__all__ = [
    "adjoint_kernel",
    "conv2d",
    "conv2d_matrix",
    "conv2d_solve",
    "conv2d_spectrum",
    "kernel_counts",
    "real_form",
]


def conv2d(x: tf.Tensor, kernel: tf.Tensor, padding: str = "zero") -> tf.Tensor:
    """Returns kernel ⋆ x.

    Args:
        x: [batch..., H, W, C].
        kernel: [k₁, k₂, C, C].
        padding: "zero" or "circular".
    """
    images = tf.reshape(x, [-1, *x.shape[-3:]])
    if padding == "zero":
        y = tf.nn.conv2d(images, kernel, strides=1, padding="SAME")
    else:
        y = tf.nn.conv2d(_wrapped(images, kernel), kernel, strides=1, padding="VALID")
    return tf.reshape(y, tf.shape(x))


def adjoint_kernel(kernel: tf.Tensor) -> tf.Tensor:
    """The kernel of the transposed map: mirrored in space, in and out swapped.

    With T(w) the matrix of the convolution, T(adjoint_kernel(w)) = T(w)ᵀ.
    """
    return tf.transpose(tf.reverse(kernel, [0, 1]), [0, 1, 3, 2])


def kernel_counts(
    kernel_size: Sequence[int], image_shape: Sequence[int], padding: str = "zero"
) -> np.ndarray:
    """m: how often each kernel entry stands in the matrix of the convolution.

    Zero padding: m[i, j] = (H − |i − p₁|)(W − |j − p₂|). Circular: H · W.

    Returns:
        [k₁, k₂, 1, 1], the same for all pairs of channels.
    """
    height, width = image_shape[:2]
    if padding == "circular":
        return np.full([*kernel_size, 1, 1], float(height * width))
    rows, columns = (
        size - np.abs(np.arange(k) - k // 2)
        for size, k in zip((height, width), kernel_size, strict=True)
    )
    return np.outer(rows, columns).astype("float64")[..., None, None]


def conv2d_matrix(
    kernel: tf.Tensor, image_shape: Sequence[int], padding: str = "zero"
) -> tf.Tensor:
    """Returns T(w), [H W C, H W C], with vec(y) = T(w) vec(x); O((H W C)² k²)."""
    shape = [*image_shape[:2], kernel.shape[-1]]
    size = int(np.prod(shape))
    images = tf.reshape(tf.eye(size, dtype=kernel.dtype), [size, *shape])
    return tf.transpose(tf.reshape(conv2d(images, kernel, padding), [size, size]))


def conv2d_solve(y: tf.Tensor, kernel: tf.Tensor, padding: str = "zero") -> tf.Tensor:
    """Solves kernel ⋆ x = y exactly.

    Circular: in the Fourier basis, O(H W C³). Zero: by the dense matrix T(w),
    O((H W C)³), once a call.

    Args:
        y: [N, H, W, C].
        kernel: [k₁, k₂, C, C].
        padding: "zero" or "circular".
    """
    height, width, channels = y.shape[-3:]
    if padding == "circular":
        # Rows: ŷ = x̂ ŵ at each frequency.
        system = tf.linalg.matrix_transpose(conv2d_spectrum(kernel, (height, width)))
        images = tf.transpose(_complex(y), [0, 3, 1, 2])
        columns = tf.transpose(tf.signal.fft2d(images), [2, 3, 1, 0])
        parts = tf.concat([tf.math.real(columns), tf.math.imag(columns)], axis=-2)
        real, imaginary = tf.split(tf.linalg.solve(real_form(system), parts), 2, -2)
        solved = tf.transpose(tf.complex(real, imaginary), [3, 2, 0, 1])
        return tf.transpose(tf.math.real(tf.signal.ifft2d(solved)), [0, 2, 3, 1])
    size = height * width * channels
    matrix = conv2d_matrix(kernel, (height, width), padding)
    columns = tf.transpose(tf.reshape(y, [-1, size]))
    return tf.reshape(tf.transpose(tf.linalg.solve(matrix, columns)), tf.shape(y))


def conv2d_spectrum(kernel: tf.Tensor, image_shape: Sequence[int]) -> tf.Tensor:
    """ŵ, [H, W, C in, C out], with ŷ(f) = x̂(f) ŵ(f) for circular padding."""
    height, width = image_shape[:2]
    rows, columns = kernel.shape[:2]
    grown = tf.pad(kernel, [[0, height - rows], [0, width - columns], [0, 0], [0, 0]])
    centered = tf.roll(grown, [-(rows // 2), -(columns // 2)], [0, 1])
    # Cross-correlation: the frequencies have the sign of the inverse transform.
    planes = tf.signal.ifft2d(tf.transpose(_complex(centered), [2, 3, 0, 1]))
    scale = tf.cast(height * width, planes.dtype)
    return tf.transpose(scale * planes, [2, 3, 0, 1])


def real_form(matrix: tf.Tensor) -> tf.Tensor:
    """[[Re, −Im], [Im, Re]] of complex matrices: XLA factorizes only real ones.

    Its determinant is the square of |det| of the complex matrix.
    """
    real, imaginary = tf.math.real(matrix), tf.math.imag(matrix)
    above = tf.concat([real, -imaginary], axis=-1)
    return tf.concat([above, tf.concat([imaginary, real], axis=-1)], axis=-2)


def _wrapped(images: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """The image with its opposite borders attached."""
    for axis in (1, 2):
        reach = kernel.shape[axis - 1] // 2
        size = images.shape[axis]
        if reach:
            before = tf.gather(images, np.arange(size - reach, size), axis=axis)
            after = tf.gather(images, np.arange(reach), axis=axis)
            images = tf.concat([before, images, after], axis=axis)
    return images


def _complex(x: tf.Tensor) -> tf.Tensor:
    return tf.cast(x, tf.complex128 if x.dtype == tf.float64 else tf.complex64)
