"""Convolutional flows without couplings: invertible convolutions and splines."""

import math
from collections.abc import Sequence
from typing import Any

from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

from tfp_flows.architectures import assembly
from tfp_flows.bijectors import MonotoneSpline, SelfNormalizingConv2D, Squeeze
from tfp_flows.ops import RationalQuadratic

__all__ = ["convolutional_flow"]

# Five bins on [−10, 10], as in the paper's code.
_SPLINE = RationalQuadratic(num_bins=5, bound=10.0)


def convolutional_flow(
    event_shape: Sequence[int],
    *,
    num_blocks: int = 3,
    layers_per_block: int = 3,
    kernel_size: int = 3,
    padding: str = "zero",
    num_values: int | None = None,
    gradient: str = "self_normalizing",
    density: str = "forward",
    inverse: str = "exact",
    base: tfd.Distribution | None = None,
    logit_margin: float = 1e-6,
    initial: str = "identity",
    seed: int | None = None,
    dtype: Any = "float32",
    name: str = "convolutional_flow",
) -> tfd.Distribution:
    """Returns a flow of square convolutions with a spline after all but the last.

        logit → block → squeeze → block → … → flatten → base
        block = (convolution → spline per pixel and channel) × n

    Each squeeze halves both sides of the image and makes four channels of one.

    Args:
        event_shape: (H, W, C); H and W multiples of 2^(num_blocks − 1).
        num_blocks: blocks with a squeeze between them; the paper has 3.
        layers_per_block: n; the paper has 3, nine convolutions in all.
        kernel_size: odd.
        padding: "zero" as in the paper, or "circular".
        num_values: pixels are whole numbers 0 … num_values − 1; the result is then a
            `Dequantized` distribution. None: real numbers.
        gradient: of log|det J|: "self_normalizing", or "exact" (the twin to compare
            with).
        density: "forward", or the paper's "mixture".
        inverse: "exact", "learned" or "refined".
        base: distribution over [H · W · C]; default N(0, I).
        logit_margin: margin of the logit for whole-number pixels; the paper's 1e-6.
        initial: "identity" or "rotation", see `SelfNormalizingConv2D`.
        seed: makes random initial weights reproducible.
        dtype: dtype of event and weights.
        name: name of the distribution.

    Example:
        >>> convolutional_flow((8, 8, 1), num_values=17, num_blocks=2).event_shape
        TensorShape([8, 8, 1])

    Reference: Keller et al. (2021), "Self Normalizing Flows", arXiv:2011.07248,
    section 4.1 and appendix A.3.
    """
    assembly.check_sizes(num_blocks=num_blocks, layers_per_block=layers_per_block)
    layers: list[tfb.Bijector] = []
    shape, last = tuple(event_shape), num_blocks * layers_per_block - 1
    for index in range(last + 1):
        if index and index % layers_per_block == 0:
            squeeze = Squeeze(shape, dtype=dtype, name=f"squeeze_{index}")
            shape = squeeze.output_shape
            layers.append(squeeze)
        layers.append(
            SelfNormalizingConv2D(
                shape,
                kernel_size=kernel_size,
                padding=padding,
                initial=initial,
                gradient=gradient,
                density=density,
                inverse=inverse,
                seed=None if seed is None else seed + index,
                dtype=dtype,
                name=f"convolution_{index}",
            )
        )
        if index < last:
            spline = MonotoneSpline(
                shape, transform=_SPLINE, dtype=dtype, name=f"spline_{index}"
            )
            layers.append(spline)
    layers.append(assembly.flatten(shape))
    return assembly.image_density(
        base, layers, math.prod(shape), num_values, logit_margin, dtype, name
    )
