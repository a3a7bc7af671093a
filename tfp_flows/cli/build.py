"""From the name of a flow and the form of the data to a distribution."""

import tensorflow_probability as tfp

from tfp_flows import architectures
from tfp_flows.cli.errors import RunError
from tfp_flows.data import Schema
from tfp_flows.distributions import Dequantized

__all__ = ["build_distribution", "choose_flow"]

tfd = tfp.distributions


def choose_flow(name: str | None, schema: Schema) -> str:
    """Returns the flow asked for, or the default of tables or images."""
    if name is None:
        return "coupling-spline" if schema.image_shape is None else "glow"
    if name == "glow" and schema.image_shape is None:
        raise RunError(
            "--flow glow: expected images, received a table: choose a coupling or "
            "autoregressive flow"
        )
    return name


def build_distribution(
    flow: str, schema: Schema, *, integers: tuple[str, ...] = (), seed: int = 0
) -> tfd.Distribution:
    """Returns the untrained distribution of rows of the given schema.

    Args:
        flow: A name that `choose_flow` returned.
        schema: What a row of the data holds.
        integers: Names of columns to dequantize, of step 1.
        seed: Seed of the initial weights.
    """
    size = len(schema.columns)
    context_size = len(schema.context_columns) or None
    if flow == "glow":
        distribution = architectures.glow(
            schema.image_shape,
            levels=schema.levels,
            context_size=context_size,
            seed=seed,
        )
    else:
        kind, transform = flow.split("-")
        build = {
            "autoregressive": architectures.autoregressive_flow,
            "coupling": architectures.coupling_flow,
        }[kind]
        distribution = build(
            size, transform=transform, context_size=context_size, seed=seed
        )
    if schema.levels is not None:
        return Dequantized(distribution)
    if integers:
        steps = [float(name in integers) for name in schema.columns]
        return Dequantized(distribution, steps)
    return distribution
