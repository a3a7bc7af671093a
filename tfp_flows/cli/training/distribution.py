"""From the name of a flow and the form of the data to a distribution."""

from typing import Any

import numpy as np
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

from tfp_flows import architectures
from tfp_flows.bijectors import Bounded
from tfp_flows.cli.flows import IMAGE_FLOWS, num_halvings
from tfp_flows.data import Schema
from tfp_flows.distributions import Dequantized

__all__ = ["build_distribution"]

# Noise points over which the bound of an integer row is averaged in evaluation: a table
# has too few columns for the luck of a single draw to even out, as it does in images.
_NOISE_POINTS = 16


def build_distribution(
    flow: str,
    schema: Schema,
    *,
    seed: int = 0,
    base: tfd.Distribution | None = None,
    **options: Any,
) -> tfd.Distribution:
    """Returns the untrained distribution of rows of the given schema.

    Args:
        flow: one of `flows.choose_flow`.
        schema: what a row of the data holds.
        seed: of the initial weights.
        base: distribution over the flow's base; None for the architecture's own.
        **options: further arguments of a table's architecture.
    """
    size = len(schema.columns)
    context_size = len(schema.context_columns) or None
    if flow in IMAGE_FLOWS:
        shape = schema.image_shape or (1, 1, size)
        of_images: Any = {
            "glow": architectures.glow,
            "multiscale-continuous": architectures.multiscale_continuous_flow,
        }[flow]
        return of_images(
            shape,
            num_values=schema.levels,
            num_levels=num_halvings(shape),
            context_size=context_size,
            base=base,
            seed=seed,
        )
    if schema.particle_shape is not None:
        return architectures.equivariant_flow(
            *schema.particle_shape, context_size=context_size, base=base, seed=seed
        )
    kind, _, transform = flow.partition("-")
    build: Any = {
        "autoregressive": architectures.autoregressive_flow,
        "continuous": architectures.continuous_flow,
        "coupling": architectures.coupling_flow,
    }[kind]
    named = {"transform": transform} if transform else {}
    distribution = build(
        size, context_size=context_size, base=base, seed=seed, **named, **options
    )
    if schema.bounds:
        distribution = _bounded(distribution, schema)
    if schema.levels is not None:
        return Dequantized(distribution, low=0.0, high=schema.levels - 1.0)
    if schema.integer_columns:
        return Dequantized(distribution, schema.steps, num_samples=_NOISE_POINTS)
    return distribution


def _bounded(
    flow: tfd.TransformedDistribution, schema: Schema
) -> tfd.TransformedDistribution:
    """Puts the logarithms of bounded columns between the data and a flow."""
    low, high = (np.full(len(schema.columns), end) for end in (-np.inf, np.inf))
    for name, least, most in schema.bounds:
        column = schema.columns.index(name)
        low[column] = -np.inf if least is None else least
        # The cell of the last integer ends where the next one begins.
        width = float(name in schema.integer_columns)
        high[column] = np.inf if most is None else most + width
    support = Bounded(low, high)
    chain = tfb.Chain([tfb.Invert(support), flow.bijector])
    return tfd.TransformedDistribution(flow.distribution, chain, name=flow.name)
