"""Setting the data-dependent parts of a flow from data, in one explicit pass."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from tensorflow_probability import bijectors as tfb

from tfp_flows.bijectors.structure.walk import parts, walk

__all__ = [
    "adapt_context",
    "initialize",
    "is_initialized",
    "set_along",
    "starting_method",
]


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

    def set_leaf(
        leaf: tfb.Bijector, h: tf.Tensor, inverse: bool, arguments: dict[str, Any]
    ) -> None:
        if anew or parts(leaf) or not is_initialized(leaf):
            adapt_context(leaf, arguments)
            if (set_from := starting_method(leaf, inverse, "initialize")) is not None:
                set_from(h, **arguments)

    return set_along(bijector, x, context, set_leaf)


def set_along(
    bijector: tfb.Bijector,
    x: Any,
    context: dict[str, Any],
    set_leaf: Callable[[tfb.Bijector, tf.Tensor, bool, dict[str, Any]], None],
) -> tf.Tensor:
    """Returns the image of x under a flow whose leaves are set on its way.

    Args:
        bijector: data → base.
        x: [N, event...].
        context: nested arguments as from `context_arguments`.
        set_leaf: sets a leaf from what arrives there; arguments as of a `Visit`.
    """

    def visit(
        leaf: tfb.Bijector, h: tf.Tensor, inverse: bool, arguments: dict[str, Any]
    ) -> tf.Tensor:
        set_leaf(leaf, h, inverse, arguments)
        # A fresh tensor: TFP's cache would return what the old weights made of h.
        h = tf.identity(h)
        return (leaf.inverse if inverse else leaf.forward)(h, **arguments)

    return walk(bijector, tf.convert_to_tensor(x), visit, context)


def starting_method(
    leaf: tfb.Bijector, inverse: bool, *names: str
) -> Callable[..., None] | None:
    """Returns the first of these methods that a leaf has.

    Raises:
        ValueError: it has one, or parts that may have one, and is passed backwards.
    """
    methods = [getattr(leaf, name) for name in names if hasattr(leaf, name)]
    if inverse and (methods or parts(leaf)):
        raise ValueError(
            f"{leaf.name} sets itself from its input, but the data reaches its output. "
            "Wrap it in tfb.Invert, so that its forward map is data → base."
        )
    return methods[0] if methods else None


def adapt_context(leaf: tfb.Bijector, arguments: dict[str, Any]) -> None:
    """Sets the statistics by which a conditional leaf standardizes its context."""
    if arguments and getattr(leaf, "context_size", None) is not None:
        leaf.network.adapt_context(**arguments)
