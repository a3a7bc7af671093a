"""Setting the data-dependent parts of a flow from data, in one explicit pass."""

from typing import Any

import tensorflow as tf
from tensorflow_probability import bijectors as tfb

from tfp_flows.bijectors.structure.walk import inverted, parts

__all__ = ["initialize", "is_initialized"]


def is_initialized(part: Any) -> bool:
    """Whether a part needs no data, or has been set from data."""
    flags = [
        flag
        for owner in (part, getattr(part, "network", None))
        if (flag := getattr(owner, "initialized", None)) is not None
    ]
    # Read as numbers: a variable of several replicas is true whatever it holds.
    return all(bool(tf.convert_to_tensor(flag)) for flag in flags)


def initialize(
    bijector: tfb.Bijector, x: tf.Tensor, *, anew: bool = True, **context: Any
) -> tf.Tensor:
    """Calls `initialize` of every part on the data as it arrives there.

    Walks through `tfb.Chain`, `tfb.Invert` and `MultiScale` from the data side, so
    that each part is set from the output of those set before it.

    Args:
        bijector: data → base. For a flow whose bijector is base → data, pass
            ``tfb.Invert(flow.bijector)``.
        x: [N, event...], the data.
        anew: also set parts again that were set before.
        **context: nested arguments as from `context_arguments`.

    Returns:
        The image of x under the bijector as set, [N, event...].
    """
    return _walk(bijector, tf.convert_to_tensor(x), context, anew, inverse=False)


def _walk(
    bijector: tfb.Bijector,
    x: tf.Tensor,
    context: dict[str, Any],
    anew: bool,
    inverse: bool,
) -> tf.Tensor:
    if (inner := inverted(bijector)) is not None:
        return _walk(inner, x, context, anew, not inverse)
    if not hasattr(bijector, "initialize") and (chain := parts(bijector)):
        for part in reversed(chain) if inverse else chain:
            x = _walk(part, x, context.get(part.name, {}), anew, inverse)
        return x
    set_again = anew or not is_initialized(bijector)
    if context and getattr(bijector, "context_size", None) is not None and set_again:
        bijector.network.adapt_context(**context)
    if hasattr(bijector, "initialize") and (set_again or parts(bijector)):
        if inverse:
            raise ValueError(
                f"{bijector.name} sets itself from its input, but the data reaches its "
                "output. Wrap it in tfb.Invert, so that its forward map is data → base."
            )
        arguments = {"anew": anew} if parts(bijector) else {}
        bijector.initialize(x, **arguments, **context)
    # A fresh tensor: TFP's cache would return what the old weights made of x.
    x = tf.identity(x)
    return (bijector.inverse if inverse else bijector.forward)(x, **context)
