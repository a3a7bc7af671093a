"""A Keras model over a TFP distribution."""

import types
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfp_flows.bijectors import InverseCertificate, LearnedInverse, inverse_certificate
from tfp_flows.models.bridge import fitness
from tfp_flows.models.bridge import inputs as model_inputs
from tfp_flows.models.bridge.evaluation import BatchEvaluation, check_needs
from tfp_flows.models.bridge.row_mean import row_mean
from tfp_flows.models.bridge.serialization import (
    deserialize,
    serialize,
    serialize_part,
)
from tfp_flows.models.bridge.sizes import oversize_refused
from tfp_flows.models.bridge.tracking import track
from tfp_flows.models.density_model import DensityModel
from tfp_flows.models.last_finite import after_all
from tfp_flows.models.learned_inverse.refresh import with_log_determinants
from tfp_flows.models.learned_inverse.stability import warn_of_unstable_mixtures
from tfp_flows.models.paths import (
    PathCounts,
    calls_of,
    log_prob_with_calls,
    path_arguments,
)
from tfp_flows.models.penalties import Penalties
from tfp_flows.models.workers import joined_workers, share_inputs
from tfp_flows.objectives import (
    MixtureLikelihood,
    NegativeLogLikelihood,
    Reconstruction,
    Terms,
)

__all__ = ["FlowModel"]

# Shown by `evaluate` beside another objective.
_LIKELIHOOD = "negative_log_likelihood"

# What depends on weights beside those of a velocity.
_OF_ALL_WEIGHTS = frozenset(
    {"conditionals", "layer_inputs", "layer_passages", "log_prob", "path", "samples"}
)


@keras.saving.register_keras_serializable(package="tfp_flows")
class FlowModel(DensityModel):
    """Trains, evaluates, samples, saves and exports a `tfd.Distribution`.

    The loss is the mean negative log-likelihood in nats, or the objective given; then
    `evaluate` shows the likelihood beside it, where there is one. Every variable of the
    distribution is tracked once and shared with TFP: those of TFP, those of Keras
    networks inside bijectors, and those that only the log-density's evaluation
    reveals, such as a network in a closure.

        model = FlowModel(coupling_flow(2))
        model.compile("adam")
        model.fit(x, epochs=20)              # x: [N, 2], raw units
        model.log_prob(x)                    # [N], nats
        model.sample(1000, seed=1)           # [1000, 2]
        model.save("flow.keras")
        model.export("saved_model")          # served without this package

    Conditional distributions take ``(x, context)`` wherever x stands, or the context
    as second argument of `fit` and `evaluate`.

    `keras.models.load_model` needs this class imported, ``import tfp_flows.models``,
    and nothing passed by hand.

    Layers with a learned inverse train without a factorization: log|det W| is
    carried along the updates at O(D²) and exact again at the end of each epoch, with
    the difference in the logs as `log_det_drift`, nats. Outside of training steps
    all values are exact. The loss shown is the likelihood; a penalty acts on the
    gradient and shows its terms as metrics.

    A loop of one's own is `train_on_batch`, or, after `adapt(x)`, the step by hand:

        with tf.GradientTape() as tape:
            loss = model.compute_loss(x, y_pred=model(x, training=True))

    A tape over `log_prob` trains the likelihood alone, without penalties, and
    factorizes learned inverses at every step.

    Args:
        distribution: over one event: its batch shape is (). Preprocessing is a part
            of it, so that x is raw data.
        objective: an `objectives.Objective`; default `NegativeLogLikelihood()`.
        penalties: objectives such as `objectives.Reconstruction`. None: one
            `Reconstruction()` if the distribution has learned inverses.
        name: name of the model.

    Raises:
        TypeError: `distribution` is no `tfd.Distribution`.
        ValueError: it has a batch shape or an event shape that is not fully known, or
            lacks what the objective or a penalty needs.
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

    # Training.

    def fit(
        self, x: Any = None, y: Any = None, batch_size: int | None = None, **kwargs: Any
    ) -> Any:
        """Trains as `keras.Model.fit`; y is the context of a conditional model.

        A training whose weights are no longer finite ends with those of the last epoch
        that were, and a `RuntimeWarning`. Arrays with columns that have no density are
        a `DataWarning`.

        Raises:
            ValueError: nothing to train, a foreign loss, or data of the wrong form,
                before training; a batch of a data set that is not finite.
        """
        self._check_trainable()
        if "known" in self.objective.needs:
            raise ValueError(
                f"{type(self.objective).__name__} needs a known number for each row: "
                "train by fit_packed((x, known)), or ((x, context, known))."
            )
        packed = self._screened(x, y, batch_size=batch_size, **kwargs)
        if kwargs.get("validation_data") is not None:
            kwargs["validation_data"] = model_inputs.pack_validation(
                kwargs["validation_data"], self.context_size, self._packed
            )
        with fitness.explained():
            return self.fit_packed(packed, batch_size=batch_size, **kwargs)

    def fit_packed(self, inputs: Any, **kwargs: Any) -> Any:
        """Trains on inputs as `call` takes them, a known column included.

        This is how a model that is made of others trains one of them; `fit` is for
        everybody else.

        Args:
            inputs: x, (x, context), (x, known) or (x, context, known), as arrays or
                as the inputs of a data set.
            **kwargs: of `keras.Model.fit`.
        """
        if not model_inputs.is_array(inputs):
            # Its order is its own; Keras warns that it cannot shuffle it.
            kwargs.setdefault("shuffle", False)
        if self._adapter.waits_for_data:
            model_inputs.check_rereadable(inputs)
            self._adapt(inputs, anew=False)
        self._warn_of_unstable_mixtures(inputs)
        if self._log_dets.layers:
            kwargs["callbacks"] = with_log_determinants(
                kwargs.get("callbacks"), self._log_dets
            )
        kwargs["callbacks"] = after_all(kwargs.get("callbacks"))
        target = model_inputs.target_for(inputs, kwargs.get("sample_weight"))
        if (workers := joined_workers()) is not None:
            workers.prepare(self)
            inputs, target = share_inputs(workers, inputs, target, kwargs), None
            kwargs["callbacks"] = workers.callbacks(kwargs["callbacks"])
        return keras.Model.fit(self, inputs, target, **kwargs)

    def _warn_of_unstable_mixtures(self, packed: Any) -> None:
        if any(layer.density == "mixture" for layer in self.learned_inverses):
            model_inputs.check_rereadable(packed)
            x, context, _ = self._unpacked(model_inputs.some_rows(packed, 1024))
            bijector, x, arguments = self._adapter.data_to_base(
                x, context, self._log_dets.at_rest()
            )
            warn_of_unstable_mixtures(
                bijector, x, self._penalties.penalties, **arguments
            )

    def inverse_certificate(self, x: Any, context: Any = None) -> InverseCertificate:
        """Measures each learned inverse: distance, bound, round trips, log-dets.

        Args:
            x: [N, event...] in raw units, some hundreds of rows.
            context: [N, C] for a conditional model.

        Returns:
            A record that prints as a table, see `bijectors.InverseCertificate`.

        Raises:
            ValueError: no layer has a learned inverse.
        """
        self._log_dets.refresh()
        bijector, x, arguments = self._adapter.data_to_base(
            x, context, self._log_dets.present()
        )
        return inverse_certificate(bijector, x, **arguments)

    def train_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, **kwargs: Any
    ) -> Any:
        """As in Keras; y is a context, as in `fit`.

        The first batch sets the data-dependent parts that were not set before.
        Log-determinants are carried along from call to call, and are exact again every
        hundred calls and in whatever comes between.
        """
        self._check_trainable()
        fitness.check_arguments(**kwargs)
        x = self._packed(x, y)
        if self._adapter.waits_for_data:
            self._adapt(x, anew=False)
        self._log_dets.refresh_sometimes()
        target = model_inputs.target_for(x, sample_weight)
        return super().train_on_batch(x, target, sample_weight, **kwargs)

    # Saving.

    def get_config(self) -> dict[str, Any]:
        """The distribution as data, and the name.

        Raises:
            TypeError: a part of the distribution cannot be rebuilt from data.
        """
        return {
            "name": self.name,
            "distribution": serialize(self.distribution),
            "objective": serialize_part(self.objective),
            "penalties": [serialize_part(p) for p in self._penalties.penalties],
        }

    @classmethod
    @oversize_refused
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """Rebuilds the model; its weights are loaded by Keras."""
        read = keras.saving.deserialize_keras_object
        objective = config.get("objective")
        return cls(
            deserialize(config["distribution"]),
            objective=None if objective is None else read(objective),
            penalties=[read(penalty) for penalty in config["penalties"]],
            name=config["name"],
        )
