"""Graphs of models that are gone, out of TensorFlow's table of gradients."""

import weakref
from collections.abc import Callable
from typing import Any

import tensorflow as tf
from tensorflow.python.framework import ops

__all__ = ["release_graphs"]

_PREFIX = "CustomGradient-"


def release_graphs() -> None:
    """Hands the gradients that traces have registered to the graphs that they are of.

    TensorFlow keeps the gradient of each function that has one of its own in a table of
    the process, for ever: the sum over replicas in every training step is one. It holds
    the tensors and so the graph, some 50 MB of a model. Afterwards the table knows the
    graph weakly, and a model that nobody has goes with all its graphs.
    """
    table = ops.gradient_registry._registry
    for name in [name for name in table if name.startswith(_PREFIX)]:
        gradient = table[name]["type"]
        graph = _graph_of(gradient)
        if graph is None:
            continue
        if not hasattr(graph, "_gradients_of_its_own"):
            graph._gradients_of_its_own = {}
        graph._gradients_of_its_own[name] = gradient
        table[name]["type"] = _kept_by(weakref.ref(graph), name)


def _kept_by(graph: weakref.ref[Any], name: str) -> Callable[..., Any]:
    """The gradient of that name, which its graph keeps."""

    def gradient(*arguments: Any) -> Any:
        keeper: Any = graph()
        return keeper._gradients_of_its_own[name](*arguments)

    return gradient


def _graph_of(gradient: Any) -> Any:
    """The graph whose tensors a gradient of `tf.custom_gradient` closes over."""
    inner = [cell.cell_contents for cell in gradient.__closure__ or ()]
    for function in inner:
        for cell in getattr(function, "__closure__", None) or ():
            for held in tf.nest.flatten(cell.cell_contents):
                if isinstance(getattr(held, "graph", None), tf.Graph):
                    return held.graph
    return None
