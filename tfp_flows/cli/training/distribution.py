"""From the name of a flow and the form of the data to a distribution."""

from typing import Any

from tensorflow_probability import distributions as tfd

from tfp_flows import architectures
from tfp_flows.cli.flows import num_halvings
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
) -> tfd.Distribution:
    """Returns the untrained distribution of rows of the given schema.

    Args:
        flow: one of `flows.FLOWS`.
        schema: what a row of the data holds.
        seed: of the initial weights.
        base: distribution over the flow's base; None for the architecture's own.
    """
    size = len(schema.columns)
    context_size = len(schema.context_columns) or None
    if flow == "glow":
        shape = schema.image_shape or (1, 1, size)
        return architectures.glow(
            shape,
            num_values=schema.levels,
            num_levels=num_halvings(shape),
            context_size=context_size,
            base=base,
            seed=seed,
        )
    kind, _, transform = flow.partition("-")
    build: Any = {
        "autoregressive": architectures.autoregressive_flow,
        "continuous": architectures.continuous_flow,
        "coupling": architectures.coupling_flow,
    }[kind]
    options = {"transform": transform} if transform else {}
    distribution = build(
        size, context_size=context_size, base=base, seed=seed, **options
    )
    if schema.levels is not None:
        return Dequantized(distribution, low=0.0, high=schema.levels - 1.0)
    if schema.integer_columns:
        steps = [float(name in schema.integer_columns) for name in schema.columns]
        return Dequantized(distribution, steps, num_samples=_NOISE_POINTS)
    return distribution
