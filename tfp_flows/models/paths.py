"""Continuous layers in a model: what they are told in training, what they cost."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from tfp_flows.bijectors import Continuous, Path, PathOptions

__all__ = ["Largest", "PathCounts", "path_arguments"]


def path_arguments(
    layers: Sequence[Continuous], parts: Sequence[Any], seed: tf.Tensor
) -> dict[int, dict[str, Any]]:
    """Returns what each continuous layer is told in a step of training.

    Args:
        layers: continuous layers.
        parts: objectives and penalties; `path_options` says what one wants of a solve.
        seed: stateless seed, [2].

    Returns:
        id of the layer → arguments, as a layer takes them.
    """
    wanted = [part.path_options for part in parts if hasattr(part, "path_options")]
    options = PathOptions.joined(wanted)
    return {
        id(layer): {
            "training": True,
            "options": options,
            "seed": tf.random.fold_in(seed, index),
        }
        for index, layer in enumerate(layers)
    }


class PathCounts(keras.layers.Layer):
    """Calls of the velocities a row, as metrics: their mean and the most.

    Of several continuous layers the calls of a row add up.
    """

    def __init__(self) -> None:
        super().__init__(name="path_counts", dtype="float32")
        self.mean = keras.metrics.Mean(name="calls")
        self.most = Largest(name="most_calls")
        self.built = True

    @property
    def names(self) -> list[str]:
        """Names of the metrics."""
        return [self.mean.name, self.most.name]

    def update(self, paths: Sequence[Path]) -> None:
        """Counts the solves of a batch."""
        calls = tf.add_n([path.statistics.calls for path in paths])
        self.mean.update_state(calls)
        self.most.update_state(calls)


class Largest(keras.metrics.Metric):
    """The largest of all values, 0 before there is one."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name, dtype="float32")
        self.largest = self.add_variable(shape=(), initializer="zeros", name="largest")

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        """Takes values of any shape, ≥ 0."""
        values = tf.cast(tf.reshape(values, [-1]), self.dtype)
        values = tf.concat([values, tf.convert_to_tensor(self.largest)[tf.newaxis]], 0)
        self.largest.assign(tf.reduce_max(values))

    def result(self) -> Any:
        """The largest."""
        return self.largest.value
