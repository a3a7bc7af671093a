"""Continuous layers in a model: what they are told in training, what they cost."""

import warnings
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from tfp_flows.bijectors import Continuous, Path, PathOptions
from tfp_flows.models.bridge.adapter import DistributionAdapter, LeafArguments
from tfp_flows.models.bridge.evaluation import BatchEvaluation
from tfp_flows.ode import FixedSteps

__all__ = [
    "Largest",
    "PathCounts",
    "calls_of",
    "log_prob_with_calls",
    "path_arguments",
    "step_error",
    "warn_of_step_error",
]

_MOST_ERROR = 0.01
_ROWS = 256


def calls_of(paths: Sequence[Path]) -> tf.Tensor:
    """Returns the calls of the velocities a row, [N], int32, summed over layers."""
    return tf.reduce_sum([path.statistics.calls for path in paths], axis=0)


def log_prob_with_calls(
    adapter: DistributionAdapter, x: Any, context: Any, arguments: LeafArguments
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns log p(x | context), [N], and what it cost, see `calls_of`.

    Of integer rows the most that a point of their noise took.
    """
    evaluation = BatchEvaluation(adapter, x, context, arguments=arguments)
    log_prob = evaluation.log_prob
    calls = tf.reshape(calls_of(evaluation.path), [-1, tf.shape(log_prob)[0]])
    return log_prob, tf.reduce_max(calls, axis=0)


def step_error(
    adapter: DistributionAdapter, x: Any, context: Any, arguments: LeafArguments
) -> tf.Tensor:
    """Returns |log p − log p with a finer solver|, [batch...], nats."""
    finer = {
        id(layer): {**arguments.get(id(layer), {}), "solver": layer.solver.finer}
        for layer in adapter.continuous_layers
    }
    seed = tf.constant([0, 0]) if adapter.takes_seed else None
    coarse = adapter.log_prob(x, context, seed, arguments)
    return tf.abs(coarse - adapter.log_prob(x, context, seed, {**arguments, **finer}))


def warn_of_step_error(
    adapter: DistributionAdapter, x: Any, context: Any, arguments: LeafArguments
) -> None:
    """Says by how much densities with a fixed number of steps are wrong. Eager only."""
    layers = adapter.continuous_layers
    if not any(isinstance(layer.solver.steps, FixedSteps) for layer in layers):
        return
    x, context = adapter.event(x), adapter.cast(context)
    x = tf.reshape(x, [-1, *adapter.event_shape])[:_ROWS]
    if context is not None:
        context = tf.reshape(context, [-1, context.shape[-1]])[:_ROWS]
    error = step_error(adapter, x, context, arguments)
    worst = float(tf.reduce_max(error)) if len(error) else 0.0
    if worst > _MOST_ERROR:
        warnings.warn(
            f"{adapter.distribution.name}: with twice as many steps log-densities of "
            f"{len(error)} rows differ by up to {worst:.3g} nats: score with "
            "AdaptiveSteps, or with more FixedSteps.",
            stacklevel=3,
        )


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

    def update(self, calls: tf.Tensor) -> None:
        """Counts the calls of a batch, [N]."""
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
