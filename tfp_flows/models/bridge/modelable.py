"""Which distributions a model can be made of."""

from collections.abc import Iterable
from typing import Any

import tensorflow as tf
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

__all__ = ["check_distribution", "check_evaluation", "compiles"]


def check_distribution(distribution: Any) -> None:
    """Refuses what is no distribution over one event.

    Raises:
        TypeError: it is no `tfd.Distribution`.
        ValueError: it has a batch shape, several events, or one of unknown shape.
    """
    if not isinstance(distribution, tfd.Distribution):
        raise TypeError(
            "Expected a tfp.distributions.Distribution, received "
            f"{type(distribution).__name__}. Build one whose parameters are "
            "tf.Variables or tfp.util.TransformedVariables."
        )
    if isinstance(distribution, tfd.JointDistribution):
        raise ValueError(
            f"Expected a distribution over one tensor, received {distribution.name} "
            "over a structure of them. Wrap it in tfd.Blockwise, which makes one "
            "vector of its events."
        )
    if distribution.batch_shape.rank != 0:
        raise ValueError(
            "Expected a distribution over one event, batch shape (); "
            f"received batch shape {distribution.batch_shape}. Wrap it in "
            "tfd.Independent if its batch axes belong to the event."
        )
    if not distribution.event_shape.is_fully_defined():
        raise ValueError(
            "Expected a fully known event shape, received "
            f"{distribution.event_shape}. Give the base distribution a static shape."
        )


def compiles(part: Any) -> bool:
    """Whether XLA compiles a part, as far as it says, or is known not to."""
    return getattr(part, "supports_jit", not isinstance(part, tfb.FFJORD))


def check_evaluation(
    distribution: tfd.Distribution, graph: Any, read: Iterable[tf.Variable]
) -> None:
    """Refuses a part that the traced log-density changes or does not depend on.

    Raises:
        ValueError: a part is another one after each call, or has taken the value of a
            variable: no training, and no file, would reach what it computes with.
    """
    parts = [
        part
        for part in (distribution, *distribution.submodules)
        if isinstance(part, tfd.Distribution | tfb.Bijector)
    ]
    written = _written_in(graph)
    for part in reversed(parts):
        handles = [id(kept.handle) for v in part.variables for kept in _replicas(v)]
        if _normalizes_batches(part) or not written.isdisjoint(handles):
            raise ValueError(
                f"{type(part).__name__} changes when it is evaluated: two calls of "
                "log_prob differ, and so would a saved or served model. Use "
                "bijectors.ActNorm, which data set once, or give BatchNormalization "
                "training=False."
            )
    known = {id(variable) for variable in read}
    for part in filter(_is_stock, parts):
        for name, value in part.parameters.items():
            is_weight = isinstance(value, tf.Variable) and value.trainable
            if is_weight and known.isdisjoint(map(id, (value, *_replicas(value)))):
                raise ValueError(
                    f"{type(part).__name__} computes without its variable {name!r}, of "
                    "which it took the value when it was made: training would not "
                    "reach it. Use a class that keeps it, such as "
                    "MultivariateNormalTriL, or pass a number."
                )


def _replicas(variable: tf.Variable) -> tuple[tf.Variable, ...]:
    """What holds the values of a variable: under a strategy one for each replica."""
    return tuple(getattr(variable, "values", (variable,)))


def _written_in(graph: Any) -> set[int]:
    """Identities of the handles of variables that a graph assigns to."""
    outside = {id(inside): id(handle) for handle, inside in graph.captures}
    return {
        outside.get(id(operation.inputs[0]), 0)
        for operation in graph.get_operations()
        if operation.type.startswith("Assign")
    }


def _normalizes_batches(part: Any) -> bool:
    # Its inverse writes, which may be the way of samples alone.
    return isinstance(part, tfb.BatchNormalization) and part.parameters["training"]


def _is_stock(part: Any) -> bool:
    return type(part).__module__.startswith("tensorflow_probability")
