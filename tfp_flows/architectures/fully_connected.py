"""Fully connected flows: square dense layers with activations between."""

from collections.abc import Sequence
from typing import Any

from tensorflow_probability import distributions as tfd

from tfp_flows.architectures import assembly
from tfp_flows.bijectors import ActNorm, SelfNormalizingDense, SmoothLeakyReLU

__all__ = ["fully_connected_flow"]


def fully_connected_flow(
    event_shape: int | Sequence[int],
    *,
    num_layers: int = 2,
    num_values: int | None = None,
    gradient: str = "self_normalizing",
    density: str = "forward",
    inverse: str = "exact",
    alpha: float = 0.3,
    normalize: bool = True,
    base: tfd.Distribution | None = None,
    logit_margin: float = 1e-6,
    initial: Any = "identity",
    seed: int | None = None,
    dtype: Any = "float32",
    name: str = "fully_connected_flow",
) -> tfd.Distribution:
    """Returns a flow of dense layers, each y = W x + b with a full matrix W.

        [whiten | logit → flatten] → (norm → dense → activation) × L → base

    without an activation at the end. Rows are whitened, images of whole numbers go
    through a logit as in the paper; `norm` is an `ActNorm`. What depends on data is
    set by `FlowModel.adapt`, which `fit` calls.

    Args:
        event_shape: D, or (H, W, C) of images, which are flattened.
        num_layers: L; the paper's FC-2 has 2.
        num_values: pixels are whole numbers 0 … num_values − 1; the result is then a
            `Dequantized` distribution. None: real numbers.
        gradient: of log|det W|: "self_normalizing", "exact" (the twin to compare
            with) or "relative"; see `SelfNormalizingDense`.
        density: "forward", or the paper's "mixture".
        inverse: "exact", "learned" or "refined".
        alpha: slope of the smooth leaky ReLU at −∞.
        normalize: an ActNorm before each dense layer, which the paper's FC-2 does not
            have. A learned inverse follows its layer better with it.
        base: distribution over [D]; default N(0, I).
        logit_margin: margin of the logit for whole-number pixels; the paper's 1e-6.
        initial: W at the start, see `SelfNormalizingDense`.
        seed: makes random initial weights reproducible.
        dtype: dtype of event and weights.
        name: name of the distribution.

    Example:
        >>> fully_connected_flow((8, 8, 1), num_values=17).event_shape
        TensorShape([8, 8, 1])

    Reference: Keller et al. (2021), "Self Normalizing Flows", arXiv:2011.07248,
    section 4.1 and appendix A.3.
    """
    assembly.check_sizes(num_layers=num_layers)
    layers, size = assembly.flat_input(event_shape, num_values, dtype)
    for index in range(num_layers):
        if normalize:
            layers.append(ActNorm(size, dtype=dtype, name=f"norm_{index}"))
        layers.append(
            SelfNormalizingDense(
                size,
                initial=initial,
                gradient=gradient,
                density=density,
                inverse=inverse,
                seed=None if seed is None else seed + index,
                dtype=dtype,
                name=f"dense_{index}",
            )
        )
        if index < num_layers - 1:
            layers.append(
                SmoothLeakyReLU(alpha, dtype=dtype, name=f"activation_{index}")
            )
    return assembly.image_density(
        base, layers, size, num_values, logit_margin, dtype, name
    )
