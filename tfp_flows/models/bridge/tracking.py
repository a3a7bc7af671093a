"""The seam on the Keras side: every variable of a TFP distribution as a Keras one.

Keras 3 trains only `keras.Variable`s. A `keras.Variable` can be made around an
existing `tf.Variable` and then shares its storage: this is how Keras itself adopts
the weights of a SavedModel (`keras.layers.TFSMLayer`). What is listed here is what
trains; so the list is made from three sources, the last of which misses nothing:

1. what TFP lists, `distribution.variables`;
2. the weights of Keras layers held by any part of the distribution;
3. what one traced evaluation of the log-density reads, closures included.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfp_flows.models.bridge.modelable import check_evaluation

__all__ = ["Tracked", "adopt", "check_distinct", "keras_layers", "track"]


class Tracked(NamedTuple):
    """What a model has to list so that Keras trains and saves a distribution."""

    layers: list[keras.layers.Layer]
    """Keras layers inside the distribution; their weights are Keras variables."""
    adopted: list[keras.Variable]
    """All other variables, each as a Keras variable that shares its storage."""
    hidden: list[tf.Variable]
    """Those that neither TFP nor the layers list, found by the trace alone."""


def track(distribution: tfd.Distribution, evaluate: Callable[[], tf.Tensor]) -> Tracked:
    """Finds every variable of `distribution` and makes it visible to both worlds.

    Variables that TFP does not list (weights of Keras networks in stock bijectors,
    or in closures) are attached to the distribution, so that
    `distribution.trainable_variables` is complete afterwards.

    Args:
        distribution: the distribution to track.
        evaluate: computes a log-density; traced once, never run. The trace also
            builds networks that build themselves at their first call.

    Raises:
        ValueError: evaluation changes a part, or a part has taken the value of a
            variable and goes on without it.
    """
    graph = tf.function(evaluate, autograph=False).get_concrete_function().graph
    read = _variables_read_in(graph)
    check_evaluation(distribution, graph, read)
    layers = keras_layers(distribution)
    in_layers = [weight.value for layer in layers for weight in layer.variables]
    by_tfp = list(distribution.variables)
    known = _identities([*by_tfp, *in_layers])
    hidden = [variable for variable in read if id(variable) not in known]
    unlisted = _without([*in_layers, *hidden], by_tfp)
    if unlisted:
        distribution.variables_held_by_parts = unlisted
    adopted = [adopt(v) for v in _without([*by_tfp, *hidden], in_layers)]
    return Tracked(layers, adopted, hidden)


def _variables_read_in(graph: Any) -> list[tf.Variable]:
    # A graph keeps what it reads in a set; its captures stand in order of first use,
    # which is the same for a distribution rebuilt from a file.
    order = {id(handle): index for index, handle in enumerate(graph.external_captures)}
    return sorted(graph.variables, key=lambda variable: order[id(variable.handle)])


def keras_layers(distribution: tfd.Distribution) -> list[keras.layers.Layer]:
    """Returns the layers of Keras inside a distribution."""

    def is_layer(value: Any) -> bool:
        return isinstance(value, keras.layers.Layer)

    # tf.Module's own walk, with the predicate that its public properties fix.
    return list(distribution._flatten(predicate=is_layer))


def adopt(variable: tf.Variable) -> keras.Variable:
    """Returns a Keras variable that shares the storage of `variable`.

    Raises:
        ImportError: this Keras copies the variable: training would not reach it.
    """
    adopted = keras.Variable(
        initializer=variable,
        shape=variable.shape,
        dtype=variable.dtype.name,
        trainable=variable.trainable,
        # TFP reads the variable itself, whatever Keras computes in.
        autocast=False,
        # A Keras name has no path in it.
        name=variable.name.split(":")[0].replace("/", "_"),
    )
    if adopted.value is not variable:
        raise ImportError(
            "Expected Keras 3.10 or newer, where a keras.Variable shares the storage "
            f"of the tf.Variable it is made from; received {keras.__version__}, which "
            'copies it and would train the copy: pip install -U "keras>=3.10".'
        )
    return adopted


def check_distinct(
    components: Sequence[keras.layers.Layer], shared: Iterable[tf.Variable] = ()
) -> None:
    """Refuses components of a mixture that share weights.

    Args:
        components: the components.
        shared: variables that all may have.

    Raises:
        ValueError: training one would change another.
    """
    owners: dict[int, int] = {}
    allowed = _identities(shared)
    for index, component in enumerate(components):
        for variable in component.variables:
            owner = owners.setdefault(id(variable.value), index)
            if owner != index and id(variable.value) not in allowed:
                raise ValueError(
                    f"Component {index} shares the weight {variable.path!r} with "
                    f"component {owner}: training one would change both. Build every "
                    "part of a component anew, at each call of its function."
                )


def _identities(variables: Iterable[tf.Variable]) -> set[int]:
    """Identities of variables and, under a strategy, of their replicas' copies."""
    return {
        id(part)
        for variable in variables
        for part in (variable, *getattr(variable, "values", ()))
    }


def _without(
    variables: Iterable[tf.Variable], others: Iterable[tf.Variable]
) -> list[tf.Variable]:
    """Variables not among the others, each once."""
    seen, kept = _identities(others), []
    for variable in variables:
        if id(variable) not in seen:
            seen.add(id(variable))
            kept.append(variable)
    return kept
