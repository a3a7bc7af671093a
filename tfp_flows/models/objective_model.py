"""A density model with an objective and penalties: what a batch costs."""

import abc
import types
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfp_flows.bijectors import LearnedInverse
from tfp_flows.models.bridge.evaluation import BatchEvaluation, check_needs
from tfp_flows.models.bridge.row_mean import row_mean
from tfp_flows.models.bridge.tracking import track
from tfp_flows.models.density_model import DensityModel
from tfp_flows.models.paths import (
    PathCounts,
    calls_of,
    log_prob_with_calls,
    path_arguments,
)
from tfp_flows.models.penalties import Penalties
from tfp_flows.objectives import (
    MixtureLikelihood,
    NegativeLogLikelihood,
    Reconstruction,
    Terms,
)

__all__ = ["ObjectiveModel"]

# Shown by `evaluate` beside another objective.
_LIKELIHOOD = "negative_log_likelihood"

# What depends on weights beside those of a velocity.
_OF_ALL_WEIGHTS = frozenset(
    {"conditionals", "layer_inputs", "layer_passages", "log_prob", "path", "samples"}
)


class ObjectiveModel(DensityModel, abc.ABC):
    """Evaluates an objective and penalties on batches; training is a subclass's.

    Args:
        distribution: over one event.
        objective: an `objectives.Objective`; default `NegativeLogLikelihood()`.
        penalties: objectives that are added; None: those that the distribution needs.
        name: name of the model.

    Raises:
        TypeError: `distribution` is no `tfd.Distribution`.
        ValueError: as `DensityModel`, or it lacks what the objective or a penalty
            needs.
    """

    def __init__(
        self,
        distribution: tfd.Distribution,
        *,
        objective: Any = None,
        penalties: Sequence[Any] | None = None,
        name: str = "flow_model",
    ) -> None:
        super().__init__(distribution, name=name)
        tracked = track(distribution, self._evaluate_once)
        self.networks = tracked.layers
        for variable in tracked.adopted:
            self._track_variable(variable)
        # Out of Keras' sight, which would go on showing those of an earlier objective.
        self._shown = types.SimpleNamespace(metrics={})
        self.objective = NegativeLogLikelihood() if objective is None else objective
        if penalties is None:
            learned = any(k.learns_inverse for k in self.learned_inverses)
            penalties = [Reconstruction()] if learned else []
        for penalty in penalties:
            check_needs(penalty, self._adapter, self.has_density)
        self._penalties = Penalties(penalties, self._metrics_of(penalties))
        self._paths = PathCounts() if self._adapter.shares_paths else None

    @property
    def objective(self) -> Any:
        """What training minimizes, an `objectives.Objective`."""
        return self._objective

    @objective.setter
    def objective(self, objective: Any) -> None:
        check_needs(objective, self._adapter, self.has_density)
        self._objective = objective
        names = []
        if not isinstance(objective, NegativeLogLikelihood | MixtureLikelihood):
            names = self._metrics_of([objective])
            if self.has_density:
                names.append(_LIKELIHOOD)
        self._shown.metrics = {name: keras.metrics.Mean(name=name) for name in names}
        # Traced for another objective.
        self.train_function = self.test_function = None

    @property
    def term_metrics(self) -> dict[str, keras.metrics.Metric]:
        """The metrics of the objective, by name."""
        return self._shown.metrics

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """Those of Keras and of the penalties, and those of the objective."""
        return [*super().metrics, *self.term_metrics.values()]

    @property
    def learned_inverses(self) -> list[LearnedInverse]:
        """The layers that keep a learned inverse, nearest the data first."""
        return self._log_dets.layers

    @property
    def trainable_variables(self) -> list[Any]:
        """As in Keras; of an objective that has a velocity alone, those it reads."""
        found = super().trainable_variables
        if not self._trains_velocity_alone:
            return found
        (layer,) = self._adapter.layers_with("velocity")
        own = {v.ref() for v in layer.trainable_variables}
        return [v for v in found if v.value.ref() in own]

    @property
    def trainable_weights(self) -> list[Any]:
        """As `trainable_variables`, for which it is Keras' other name."""
        return self.trainable_variables

    @property
    def _trains_velocity_alone(self) -> bool:
        needs = getattr(self, "_objective", NegativeLogLikelihood()).needs
        reads_more = bool(needs & _OF_ALL_WEIGHTS or self._penalties.penalties)
        return "velocity" in needs and not reads_more

    def _evaluate_once(self) -> tf.Tensor:
        x, context = self._one_row()
        # As in training, where the number of rows is not known.
        x = tf.compat.v1.placeholder_with_default(x, [None, *x.shape[1:]])
        try:
            return self.log_prob(x, context)
        except TypeError as error:
            raise ValueError(
                f"{self.distribution.name} evaluates no batch whose number of rows is "
                f"not known beforehand, so it cannot be trained or served: {error}"
            ) from error
        except NotImplementedError:
            self.has_density = False
            return self._adapter.sample(1, context, tf.constant([0, 0]))

    def _one_row(self) -> tuple[tf.Tensor, tf.Tensor | None]:
        x = tf.zeros([1, *self._adapter.event_shape], self._adapter.dtype)
        if self.context_size is None:
            return x, None
        return x, tf.zeros([1, self.context_size], x.dtype)

    def _metrics_of(self, parts: Sequence[Any]) -> list[str]:
        """Names of all terms of objectives or penalties, from one trace."""
        if not parts:
            return []
        x, context = self._one_row()

        def evaluate() -> list[Any]:
            known, seed = tf.zeros([1]), tf.constant([0, 0])
            arguments = self._log_dets.present() | path_arguments(
                self.continuous_layers, parts, seed
            )
            evaluation = BatchEvaluation(
                self._adapter, x, context, known, arguments=arguments
            )
            each = (part(evaluation, seed=seed, training=True) for part in parts)
            return [dict(terms.metrics) for terms in each]

        traced = tf.function(evaluate, autograph=False).get_concrete_function()
        return [name for terms in traced.structured_outputs for name in terms]

    # A batch.

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Returns log-densities, [N]; in training the `Terms` of the objective.

        Of a distribution without a density they are NaN.
        """
        if training:
            if tf.executing_eagerly():
                self._log_dets.refresh_sometimes()
            return self._terms(inputs, training=True)
        x, context, _ = self._unpacked(inputs)
        if not self.has_density:
            return tf.fill(tf.shape(x)[:1], tf.constant(np.nan, self._adapter.dtype))
        if self._paths is None or tf.executing_eagerly():
            return self.log_prob(x, context)
        numbers = self._log_dets.at_rest()
        log_prob, calls = log_prob_with_calls(self._adapter, x, context, numbers)
        self._paths.update(calls)
        return log_prob

    def _terms(
        self, inputs: Any, *, training: bool, log_prob: tf.Tensor | None = None
    ) -> Terms:
        """Evaluates objective and penalties on one walk through the flow."""
        penalties = self._penalties.acting(training)
        needs = frozenset().union(*(part.needs for part in penalties))
        x, context, known = self._unpacked(inputs)
        arguments = self._present_log_dets(training)
        if training and self.continuous_layers:
            layers = self.continuous_layers
            seed = self.seeds.next()
            arguments |= path_arguments(layers, [self.objective, *penalties], seed)
        evaluation = BatchEvaluation(
            self._adapter,
            x,
            context,
            known,
            seed=self._noise(training),
            arguments=arguments,
            log_prob=log_prob,
        )
        seed = self._seed_for(self.objective.needs, training)
        terms = self.objective(evaluation, seed=seed, training=training)
        if training and self._paths is not None and self._solves_in_training:
            self._paths.update(calls_of(evaluation.path))
        if not penalties:
            return terms
        seed = self._seed_for(needs, training)
        total = self._penalties.total(evaluation, seed=seed, training=training)
        return terms._replace(penalty=total)

    @property
    def _solves_in_training(self) -> bool:
        parts = [self.objective, *self._penalties.penalties]
        wanted = frozenset().union(*(part.needs for part in parts))
        return bool(wanted & {"log_prob", "path"})

    def _noise(self, training: bool) -> tf.Tensor | None:
        wanted = training and self._adapter.takes_seed
        return self.seeds.next() if wanted else None

    def _present_log_dets(self, training: bool) -> Any:
        if training and self._log_dets.layers:
            return self._log_dets.advance(self.seeds.next())
        return self._log_dets.present()

    def _seed_for(self, needs: frozenset[str], training: bool) -> tf.Tensor | None:
        if "seed" not in needs:
            return None
        return self.seeds.next() if training else tf.constant([0, 0])

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> tf.Tensor:
        """Mean of the objective over the rows, plus what layers add by `add_loss`.

        Penalties add to its gradient and not to its value.
        """
        terms = y_pred
        if not isinstance(terms, Terms):
            log_prob = y_pred if self.has_density else None
            terms = self._terms(x, training=training, log_prob=log_prob)
            if _LIKELIHOOD in self.term_metrics:
                self.term_metrics[_LIKELIHOOD].update_state(-y_pred, sample_weight)
        for name, value in terms.metrics.items():
            weight = sample_weight if value.shape.rank else None
            self.term_metrics[name].update_state(value, weight)
        loss = row_mean(terms.loss, sample_weight)
        if self._penalties.acting(training):
            penalty = self._aggregate_additional_loss(terms.penalty)
            # All gradients wait for the forward pass. Keras joins them in one node
            # that TensorFlow's graph optimizer takes apart again, and with it drops
            # the order between the reading of a weight for another one's gradient
            # and its update.
            with tf.control_dependencies([loss, penalty]):
                one = tf.ones([], loss.dtype)
            penalty = tf.cast(penalty - tf.stop_gradient(penalty), loss.dtype)
            loss = one * (loss + penalty)
        for penalty in self.losses:
            loss += tf.cast(self._aggregate_additional_loss(penalty), loss.dtype)
        return loss

    def compute_metrics(
        self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None
    ) -> dict[str, Any]:
        """As in Keras; a step of training does not show the likelihood it lacks."""
        logs = super().compute_metrics(x, y, y_pred, sample_weight)
        absent = self._penalties.names_in_training_only
        if isinstance(y_pred, Terms):
            absent = [_LIKELIHOOD]
            if self._paths is not None and not self._solves_in_training:
                absent += self._paths.names
        return {name: value for name, value in logs.items() if name not in absent}
