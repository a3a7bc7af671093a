"""What arrives at each layer of a flow."""

from typing import Any

import tensorflow as tf
from tensorflow_probability import bijectors as tfb

from tfp_flows.bijectors.structure.walk import parts, walk

__all__ = ["layer_inputs", "layer_passages"]


def layer_inputs(
    bijector: tfb.Bijector, x: tf.Tensor, **arguments: Any
) -> list[tuple[tfb.Bijector, tf.Tensor]]:
    """Returns every leaf with the input it receives when `bijector` maps x forward.

    For a leaf inside a `tfb.Invert` that is the input of its inverse.

    Args:
        bijector: data → base. For a flow whose bijector is base → data, pass
            ``tfb.Invert(flow.bijector)``.
        x: [batch..., event...].
        **arguments: nested arguments, as from `nested_arguments`.

    Raises:
        ValueError: a `MultiScale` is walked through its inverse.
    """
    return [(leaf, at) for leaf, at, _ in layer_passages(bijector, x, **arguments)]


def layer_passages(
    bijector: tfb.Bijector, x: tf.Tensor, **arguments: Any
) -> list[tuple[tfb.Bijector, tf.Tensor, tf.Tensor | None]]:
    """As `layer_inputs`, each with its image; None where a leaf's inverse is taken."""
    found: list[tuple[tfb.Bijector, tf.Tensor, tf.Tensor | None]] = []

    def visit(
        leaf: tfb.Bijector, x: tf.Tensor, inverse: bool, own: dict[str, Any]
    ) -> tf.Tensor:
        if parts(leaf):
            raise ValueError(
                f"{leaf.name} maps data to base; here the data reaches its output, and "
                "its parts cannot be told apart. Wrap it in tfb.Invert."
            )
        image = (leaf.inverse if inverse else leaf.forward)(x, **own)
        found.append((leaf, x, None if inverse else image))
        return image

    walk(bijector, x, visit, arguments)
    return found
