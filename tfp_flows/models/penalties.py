"""Penalties beside the likelihood: their weights, their metrics, their gradients."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

__all__ = ["Penalties"]


class Penalties(keras.layers.Layer):
    """Evaluates penalties of a flow, shows each term as a metric, adapts weights.

    A penalty is an `objectives.Objective` whose loss is a scalar, with an attribute
    `weight`, such as `objectives.Reconstruction`. With an attribute `tolerance` that
    is not None its weight is adapted at each training step.

    Args:
        penalties: the penalties.
        names: names of all terms, which become names of metrics.
    """

    def __init__(self, penalties: Sequence[Any], names: Sequence[str]) -> None:
        super().__init__(name="penalties", dtype="float32")
        self.penalties = list(penalties)
        self.term_metrics = {name: keras.metrics.Mean(name=name) for name in names}
        self.weight_metrics = [
            keras.metrics.Mean(name=f"{type(p).__name__.lower()}_weight")
            for p in self.penalties
            if getattr(p, "tolerance", None) is not None
        ]
        self.adapted = [
            None if getattr(p, "tolerance", None) is None else _AdaptedWeight(p)
            for p in self.penalties
        ]
        self.built = True

    def acting(self, training: bool) -> list[Any]:
        """The penalties that are evaluated: some are in training only."""
        return [p for p in self.penalties if training or not _in_training_only(p)]

    @property
    def names_in_training_only(self) -> list[str]:
        """Names of the terms that an evaluation does not show."""
        if self.acting(training=False) == self.penalties:
            return []
        return [
            name for name in self.term_metrics if not name.startswith("reconstruction_")
        ]

    def total(self, evaluation: Any, *, seed: Any, training: bool) -> tf.Tensor:
        """Returns Σ λ E over all penalties, and updates the metrics."""
        total = tf.zeros([], evaluation.x.dtype)
        adapted_metrics = iter(self.weight_metrics)
        acting = self.acting(training)
        for penalty, adapted in zip(self.penalties, self.adapted, strict=True):
            if penalty not in acting:
                continue
            error, metrics, _ = penalty(evaluation, seed=seed, training=training)
            for name, value in metrics.items():
                self.term_metrics[name].update_state(value)
            weight = tf.constant(penalty.weight, total.dtype)
            if adapted is not None:
                weight = tf.cast(adapted.next(error, training), total.dtype)
                next(adapted_metrics).update_state(weight)
            total += weight * error
        return total


def _in_training_only(penalty: Any) -> bool:
    return getattr(penalty, "in_training_only", False)


class _AdaptedWeight(keras.layers.Layer):
    """λ ← λ exp(rate · (C − tolerance)), C the running mean of the error."""

    def __init__(self, penalty: Any) -> None:
        super().__init__(name="adapted_weight", dtype="float32")
        self.tolerance, self.rate = penalty.tolerance, penalty.rate
        self.log_weight = self._state("log_weight", float(tf.math.log(penalty.weight)))
        self.average = self._state("average", penalty.tolerance)
        self.built = True

    def _state(self, name: str, value: float) -> Any:
        return self.add_weight(
            shape=(),
            initializer=keras.initializers.Constant(value),
            trainable=False,
            aggregation="only_first_replica",
            name=name,
        )

    def next(self, error: tf.Tensor, training: bool) -> tf.Tensor:
        if training:
            error = tf.cast(tf.stop_gradient(error), "float32")
            average = 0.9 * self.average.value + 0.1 * error
            self.average.value.assign(average)
            self.log_weight.value.assign_add(self.rate * (average - self.tolerance))
        return tf.exp(tf.identity(self.log_weight.value))
