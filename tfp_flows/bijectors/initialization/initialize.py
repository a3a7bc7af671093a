"""Setting the data-dependent parts of a flow from data, in one explicit pass."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf
from tensorflow_probability import bijectors as tfb

from tfp_flows.bijectors.structure.walk import parts, walk

__all__ = ["initialize", "is_initialized", "set_along"]


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
    return set_along(bijector, x, context, ["initialize"], anew=anew)


def set_along(
    bijector: tfb.Bijector,
    x: Any,
    context: dict[str, Any],
    methods: Sequence[str],
    *,
    otherwise: Callable[..., None] | None = None,
    anew: bool = True,
) -> tf.Tensor:
    """Returns the image of x under a flow whose leaves are set on its way.

    Args:
        bijector: data → base.
        x: [N, event...].
        context: nested arguments as from `context_arguments`.
        methods: a leaf is set by the first of these that it has.
        otherwise: sets the leaves that have none: ``otherwise(leaf, h, inverse=…)``.
        anew: also set leaves again that were set before.

    Raises:
        ValueError: a leaf with one of the methods, or a container, is passed backwards.
    """

    def set_leaf(leaf: tfb.Bijector, h: tf.Tensor, inverse: bool, own: Any) -> None:
        found = [getattr(leaf, name) for name in methods if hasattr(leaf, name)]
        if inverse and (found or parts(leaf)):
            raise ValueError(
                f"{leaf.name} sets itself from its input, but the data reaches its "
                "output. Wrap it in tfb.Invert, so that its forward map is data → base."
            )
        network = getattr(leaf, "network", None)
        if own and network is not None and leaf.context_size is not None:
            network.adapt_context(**own)
        if found:
            found[0](h, **own)
        elif otherwise is not None:
            otherwise(leaf, h, inverse=inverse)

    def visit(leaf: tfb.Bijector, h: tf.Tensor, inverse: bool, own: Any) -> tf.Tensor:
        if anew or parts(leaf) or not is_initialized(leaf):
            set_leaf(leaf, h, inverse, own)
        # A fresh tensor: TFP's cache would return what the old weights made of h.
        h = tf.identity(h)
        return (leaf.inverse if inverse else leaf.forward)(h, **own)

    return walk(bijector, tf.convert_to_tensor(x), visit, context)
