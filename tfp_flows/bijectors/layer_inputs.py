"""What arrives at each layer of a flow."""

from typing import Any

import tensorflow as tf
from tensorflow_probability import bijectors as tfb

from tfp_flows.bijectors.multiscale import MultiScale
from tfp_flows.bijectors.structure import inverted, parts

__all__ = ["layer_inputs"]


def layer_inputs(
    bijector: tfb.Bijector, x: tf.Tensor, **arguments: Any
) -> list[tuple[tfb.Bijector, tf.Tensor]]:
    """Returns every leaf with the input it receives when `bijector` maps x forward.

    For a leaf inside a `tfb.Invert` that is the input of its inverse.

    Args:
        bijector: data → base. For a flow whose bijector is base → data, pass
            ``tfb.Invert(flow.bijector)``.
        x: [batch..., event...].
        **arguments: nested as from `nested_arguments`. With those of an evaluation
            of the same tensor, TFP's cache makes the walk free.
    """
    found: list[tuple[tfb.Bijector, tf.Tensor]] = []
    _walk(bijector, x, arguments, False, found)
    return found


def _walk(
    bijector: tfb.Bijector,
    x: tf.Tensor,
    arguments: dict[str, Any],
    inverse: bool,
    found: list[tuple[tfb.Bijector, tf.Tensor]],
) -> None:
    inner = inverted(bijector)
    if inner is not None:
        _walk(inner, x, arguments, not inverse, found)
    elif isinstance(bijector, MultiScale):
        if inverse:
            raise ValueError(
                f"{bijector.name} maps data to base; the data reaches its output. Wrap "
                "it in tfb.Invert."
            )
        inputs = bijector.level_inputs(x, **arguments)
        for level, at_level in zip(bijector.levels, inputs, strict=True):
            _walk(level, at_level, arguments.get(level.name, {}), False, found)
    elif parts(bijector):
        chain = parts(bijector)
        for part in reversed(chain) if inverse else chain:
            own = arguments.get(part.name, {})
            _walk(part, x, own, inverse, found)
            x = (part.inverse if inverse else part.forward)(x, **own)
    else:
        found.append((bijector, x))
