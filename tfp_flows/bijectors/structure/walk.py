"""How a composed bijector is put together, and what its parts are given."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from tensorflow_probability import bijectors as tfb

__all__ = [
    "Visit",
    "conditional_bijectors",
    "context_arguments",
    "inverted",
    "layer_inputs",
    "layer_passages",
    "leaves",
    "nested_arguments",
    "parts",
    "walk",
]

Visit = Callable[[tfb.Bijector, tf.Tensor, bool, dict[str, Any]], tf.Tensor]
"""visit(leaf, x, inverse, arguments) → its image; `inverse` says which map is meant."""


# `tfb.Invert(b)` and `tfb.Chain([...])` return an object of their private first base
# class where a part is no composite tensor, and ours are none.
_INVERT, _CHAIN = tfb.Invert.__bases__[0], tfb.Chain.__bases__[0]


def inverted(bijector: tfb.Bijector) -> tfb.Bijector | None:
    """Returns what a `tfb.Invert` inverts; None for any other bijector."""
    return bijector.bijector if isinstance(bijector, _INVERT) else None


def parts(bijector: tfb.Bijector) -> list[tfb.Bijector]:
    """Returns the parts of a `tfb.Chain` in the order of its forward map.

    Other containers of this package, such as `MultiScale`, list theirs as `levels`.
    """
    if isinstance(bijector, _CHAIN):
        return list(reversed(bijector.bijectors))
    return list(getattr(bijector, "levels", ()))


def leaves(bijector: tfb.Bijector) -> list[tfb.Bijector]:
    """Returns what is neither a container nor an inversion, in the parts' order."""
    inner = inverted(bijector)
    if inner is not None:
        return leaves(inner)
    inside = parts(bijector)
    if not inside:
        return [bijector]
    return [leaf for part in inside for leaf in leaves(part)]


def nested_arguments(
    bijector: tfb.Bijector, arguments_of: Callable[[tfb.Bijector], dict[str, Any]]
) -> dict[str, Any]:
    """Returns keyword arguments that hand each leaf its own.

    A `tfb.Chain` passes each part the dictionary under that part's name, so the
    arguments of a flow are nested as its bijectors are.

    Args:
        bijector: a bijector of this package, or a `tfb.Invert`, `tfb.Chain` or
            `MultiScale` of such.
        arguments_of: leaf → its keyword arguments, empty for none.

    Raises:
        ValueError: two parts of a chain that take arguments share a name.
    """
    # Plain statements: AutoGraph converts this inside a user's tf.function.
    inner = inverted(bijector)
    if inner is not None:
        return nested_arguments(inner, arguments_of)
    inside = parts(bijector)
    if not inside:
        return arguments_of(bijector)
    nested: dict[str, Any] = {}
    for part in inside:
        arguments = nested_arguments(part, arguments_of)
        if arguments and part.name in nested:
            raise ValueError(
                f"Two bijectors that take arguments are named {part.name!r}: a chain "
                "passes arguments by name. Give them distinct names."
            )
        if arguments:
            nested[part.name] = arguments
    return nested


def walk(
    bijector: tfb.Bijector,
    x: tf.Tensor,
    visit: Visit,
    arguments: dict[str, Any],
    *,
    inverse: bool = False,
) -> tf.Tensor:
    """Carries x through the leaves of a composed bijector, one visit each.

    Enters `tfb.Chain`, `tfb.Invert` and the forward map of `MultiScale`.

    Args:
        bijector: what to walk through.
        x: its input, or the input of its inverse.
        visit: computes the image of each leaf, and may change the leaf before.
        arguments: nested as from `context_arguments`.
        inverse: walk through the inverse map.

    Returns:
        The image of x.
    """
    if (inner := inverted(bijector)) is not None:
        return walk(inner, x, visit, arguments, inverse=not inverse)
    if isinstance(bijector, _CHAIN):
        for part in bijector.bijectors if inverse else parts(bijector):
            x = walk(part, x, visit, arguments.get(part.name, {}), inverse=inverse)
        return x
    if hasattr(bijector, "through_levels") and not inverse:
        return bijector.through_levels(
            x,
            lambda level, h, nested: walk(level, h, visit, nested),
            arguments,
        )
    return visit(bijector, x, inverse, arguments)


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


def context_arguments(bijector: tfb.Bijector, context: tf.Tensor) -> dict[str, Any]:
    """Returns the keyword arguments that hand `context` to all parts of `bijector`.

        arguments = context_arguments(flow.bijector, context)
        flow.log_prob(x, bijector_kwargs=arguments)

    Args:
        bijector: a bijector of this package, or a `tfb.Invert`, `tfb.Chain` or
            `MultiScale` of such.
        context: [..., C], broadcast against the batch axes of the event.

    Returns:
        A nested dictionary; empty if no part conditions.

    Raises:
        ValueError: two conditional parts of a chain share a name.
    """

    def arguments_of(leaf: tfb.Bijector) -> dict[str, Any]:
        return {"context": context} if _is_conditional(leaf) else {}

    return nested_arguments(bijector, arguments_of)


def conditional_bijectors(bijector: tfb.Bijector) -> list[tfb.Bijector]:
    """Returns the parts of `bijector` that condition on a context."""
    return [leaf for leaf in leaves(bijector) if _is_conditional(leaf)]


def _is_conditional(bijector: tfb.Bijector) -> bool:
    return getattr(bijector, "context_size", None) is not None
