"""Autoregressive flows for tables."""

from collections.abc import Sequence
from typing import Any

from tensorflow_probability import distributions as tfd

from tfp_flows.architectures import assembly
from tfp_flows.bijectors import Linear, MaskedAutoregressive, Permutation
from tfp_flows.ops import ElementwiseTransform

__all__ = ["autoregressive_flow"]


def autoregressive_flow(
    event_size: int,
    *,
    transform: str | ElementwiseTransform = "spline",
    num_layers: int = 6,
    hidden_sizes: Sequence[int] = (128, 128),
    context_size: int | None = None,
    base: tfd.Distribution | None = None,
    activation: str = "relu",
    seed: int | None = None,
    dtype: Any = "float32",
    name: str = "autoregressive_flow",
) -> tfd.TransformedDistribution:
    """Returns a flow of masked autoregressive layers over raw rows [batch..., D]."""
    layers = assembly.preprocessing(event_size, dtype)
    for index in range(num_layers):
        layers += [
            MaskedAutoregressive(
                event_size,
                transform=assembly.elementwise_transform(transform),
                hidden_sizes=hidden_sizes,
                context_size=context_size,
                activation=activation,
                seed=None if seed is None else seed + 1000 * index,
                dtype=dtype,
                name=f"autoregressive_{index}",
            ),
            Linear(event_size, dtype=dtype, name=f"linear_{index}"),
            Permutation(event_size, dtype=dtype, name=f"reverse_{index}"),
        ]
    base = assembly.mixture_base(event_size, dtype) if base is None else base
    return assembly.flow(base, layers, name)
