"""Glow for images."""

import math
from collections.abc import Sequence
from typing import Any

from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

from tfp_flows.architectures import assembly
from tfp_flows.bijectors import (
    ActNorm,
    Coupling,
    Linear,
    MultiScale,
    SelfNormalizingDense,
    Squeeze,
)
from tfp_flows.ops import ElementwiseTransform

__all__ = ["glow"]


def glow(
    event_shape: Sequence[int],
    *,
    num_values: int | None = None,
    num_levels: int = 2,
    steps_per_level: int = 8,
    transform: str | ElementwiseTransform = "affine",
    hidden_sizes: Sequence[int] = (128, 128),
    linear: str = "lu",
    context_size: int | None = None,
    base: tfd.Distribution | None = None,
    logit_margin: float = 0.05,
    activation: str = "relu",
    seed: int | None = None,
    dtype: Any = "float32",
    name: str = "glow",
) -> tfd.Distribution:
    """Returns a multi-scale image flow over raw pixels [batch..., H, W, C].

        logit → [squeeze → K × (ActNorm → 1×1 linear → coupling) → prior] × L

    where after every level but the last half of the channels leave, and `prior` is a
    coupling that conditions what leaves on what stays (Glow's learned prior).
    `FlowModel.adapt` sets the ActNorms from data.

    Args:
        event_shape: (H, W, C); H and W multiples of 2^num_levels.
        num_values: pixels are whole numbers 0 … num_values − 1; the result is then a
            `Dequantized` distribution whose values are log-probabilities. None:
            pixels are real numbers in any range, with a density.
        num_levels: L. Kingma and Dhariwal use 3 for 32 × 32 images.
        steps_per_level: K. They use 32; 8 trains on a CPU.
        transform: "affine" as in Glow, "spline", or an elementwise transform.
        hidden_sizes: channels of the couplings' hidden layers; theirs are 512, 512.
        linear: the 1×1 convolution: "lu" as in Glow; "self_normalizing", a full matrix
            trained through a learned inverse; "exact", the same by `slogdet`.
        context_size: features of a context, None without one.
        base: distribution over [H · W · C]; default N(0, I).
        logit_margin: margin of the logit for whole-number pixels (Dinh et al. 2017).
        activation: Keras activation of the couplings' networks.
        seed: makes the initial weights reproducible.
        dtype: dtype of event and weights.
        name: name of the distribution.

    Example:
        >>> glow((8, 8, 1), num_values=17, steps_per_level=1, seed=0).event_shape
        TensorShape([8, 8, 1])

    Reference: Kingma and Dhariwal (2018), "Glow", arXiv:1807.03039, section 3.
    """
    if len(event_shape) != 3:
        raise ValueError(
            f"event_shape must be (height, width, channels), received {event_shape}."
        )
    assembly.check_sizes(num_levels=num_levels, steps_per_level=steps_per_level)
    parts = _Parts(
        linear=linear,
        transform=assembly.elementwise_transform(transform),
        hidden_sizes=hidden_sizes,
        context_size=context_size,
        activation=activation,
        dtype=dtype,
        seed=seed,
    )
    shape, levels = tuple(event_shape), []
    for index in range(num_levels):
        is_last = index == num_levels - 1
        level = parts.level(shape, index, steps_per_level, with_prior=not is_last)
        height, width, channels = level.forward_event_shape(shape)
        shape = (height, width, channels // 2)
        levels.append(level)
    layers = [MultiScale(event_shape, levels, dtype=dtype)]
    size = math.prod(event_shape)
    return assembly.image_density(
        base, layers, size, num_values, logit_margin, dtype, name
    )


class _Parts:
    """Makes levels and steps with the same hyper-parameters, each with a new seed."""

    def __init__(
        self, *, linear: str, seed: int | None, dtype: Any, **coupling: Any
    ) -> None:
        if linear not in ("lu", "self_normalizing", "exact"):
            raise ValueError(
                'linear must be "lu", "self_normalizing" or "exact", received '
                f"{linear!r}."
            )
        self._linear = linear
        self._seeds = None if seed is None else iter(range(seed, seed + 10**6, 1000))
        self._dtype = dtype
        self._coupling = coupling

    def level(
        self, shape: Sequence[int], index: int, num_steps: int, *, with_prior: bool
    ) -> tfb.Chain:
        squeeze = Squeeze(shape, dtype=self._dtype, name=f"squeeze_{index}")
        parts: list[tfb.Bijector] = [squeeze]
        for step in range(num_steps):
            parts += self.step(squeeze.output_shape, f"{index}_{step}")
        if with_prior:
            parts.append(self.coupling(squeeze.output_shape, f"prior_{index}"))
        return tfb.Chain(list(reversed(parts)), name=f"level_{index}")

    def step(self, shape: Sequence[int], label: str) -> list[tfb.Bijector]:
        channels = shape[-1]
        return [
            ActNorm(channels, dtype=self._dtype, name=f"act_norm_{label}"),
            self.linear(channels, label),
            self.coupling(shape, label),
        ]

    def linear(self, channels: int, label: str) -> tfb.Bijector:
        arguments: dict[str, Any] = {
            "initial": "rotation",
            "seed": self._next_seed(),
            "dtype": self._dtype,
            "name": f"linear_{label}",
        }
        if self._linear == "lu":
            return Linear(channels, **arguments)
        return SelfNormalizingDense(channels, gradient=self._linear, **arguments)

    def coupling(self, shape: Sequence[int], label: str) -> Coupling:
        return Coupling(
            shape,
            seed=self._next_seed(),
            dtype=self._dtype,
            name=f"coupling_{label}",
            **self._coupling,
        )

    def _next_seed(self) -> int | None:
        return None if self._seeds is None else next(self._seeds)
