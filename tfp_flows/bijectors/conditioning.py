"""Routing one context to every bijector of a flow that conditions on it."""

from typing import Any

import tensorflow as tf
from tensorflow_probability import bijectors as tfb

from tfp_flows.bijectors.structure import inverted, parts

__all__ = ["conditional_bijectors", "context_arguments"]


def context_arguments(bijector: tfb.Bijector, context: tf.Tensor) -> dict[str, Any]:
    """Returns the keyword arguments that hand `context` to all parts of `bijector`.

    A `tfb.Chain` passes each part the dictionary under that part's name, so the
    arguments of a flow are nested as its bijectors are:

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
    # Plain statements: AutoGraph converts this inside a user's tf.function.
    inner = inverted(bijector)
    if inner is not None:
        return context_arguments(inner, context)
    if getattr(bijector, "context_size", None) is not None:
        return {"context": context}
    arguments: dict[str, Any] = {}
    for part in parts(bijector):
        nested = context_arguments(part, context)
        if nested and part.name in arguments:
            raise ValueError(
                f"Two conditional bijectors are named {part.name!r}: a chain finds "
                "the context by name. Give them distinct names."
            )
        if nested:
            arguments[part.name] = nested
    return arguments


def conditional_bijectors(bijector: tfb.Bijector) -> list[tfb.Bijector]:
    """Returns the parts of `bijector` that condition on a context."""
    inner = inverted(bijector)
    if inner is not None:
        return conditional_bijectors(inner)
    if getattr(bijector, "context_size", None) is not None:
        return [bijector]
    return [leaf for part in parts(bijector) for leaf in conditional_bijectors(part)]
