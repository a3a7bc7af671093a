"""Routing one context to every bijector of a flow that conditions on it."""

from typing import Any

import tensorflow as tf
from tensorflow_probability import bijectors as tfb

from tfp_flows.bijectors.structure.walk import leaves, nested_arguments

__all__ = ["conditional_bijectors", "context_arguments"]


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
