"""The parts of a flow that are measured one after another, data → base."""

import dataclasses
from typing import Any

import tensorflow as tf
from tensorflow_probability import bijectors as tfb

from tfp_flows.bijectors.structure.walk import inverted, parts

__all__ = ["Stage", "apply", "apply_to_both", "stages"]


@dataclasses.dataclass(frozen=True, eq=False)
class Stage:
    """A part of the outermost chain, which map of it is meant, and its context."""

    bijector: tfb.Bijector
    inverse: bool
    arguments: dict[str, Any]


def stages(
    bijector: tfb.Bijector, arguments: dict[str, Any], *, inverse: bool
) -> list[Stage]:
    """Returns the parts of the outermost chain in the order of the map that is meant.

    Args:
        bijector: a flow's.
        arguments: nested as from `context_arguments`.
        inverse: whether its inverse is meant.
    """
    if (inner := inverted(bijector)) is not None:
        return stages(inner, arguments, inverse=not inverse)
    chain = parts(bijector)
    if not chain or hasattr(bijector, "through_levels"):
        return [Stage(bijector, inverse, arguments)]
    return [
        stage
        for part in (reversed(chain) if inverse else chain)
        for stage in stages(part, arguments.get(part.name, {}), inverse=inverse)
    ]


def apply(
    bijector: tfb.Bijector, x: tf.Tensor, inverse: bool, arguments: dict[str, Any]
) -> tf.Tensor:
    """Returns the image of x under the map that is meant."""
    return (bijector.inverse if inverse else bijector.forward)(x, **arguments)


def apply_to_both(
    bijector: tfb.Bijector,
    rows: tuple[tf.Tensor, tf.Tensor],
    inverse: bool,
    arguments: dict[str, Any],
) -> list[tf.Tensor]:
    """Images of two batches at once, of which each is differentiated by itself."""
    twice = tf.nest.map_structure(lambda value: tf.concat([value] * 2, 0), arguments)
    return tf.split(apply(bijector, tf.concat(rows, 0), inverse, twice), 2)
