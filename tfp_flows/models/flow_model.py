"""A Keras model over a TFP distribution."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfp_flows.bijectors import InverseCertificate, LearnedInverse, inverse_certificate
from tfp_flows.models.bridge import inputs as model_inputs
from tfp_flows.models.bridge.serialization import deserialize, serialize
from tfp_flows.models.bridge.tracking import track
from tfp_flows.models.density_model import DensityModel
from tfp_flows.models.learned_inverse.refresh import with_log_determinants
from tfp_flows.models.learned_inverse.stability import warn_of_unstable_mixtures
from tfp_flows.models.penalties import Penalties
from tfp_flows.objectives import NegativeLogLikelihood, Reconstruction

__all__ = ["FlowModel"]


@keras.saving.register_keras_serializable(package="tfp_flows")
class FlowModel(DensityModel):
    """Trains, evaluates, samples, saves and exports a `tfd.Distribution`.

    The loss is the mean negative log-likelihood in nats. Every variable of the
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

    Args:
        distribution: over one event: its batch shape is (). Preprocessing is a part
            of it, so that x is raw data.
        penalties: callables such as `objectives.Reconstruction`. None: one
            `Reconstruction()` if the distribution has learned inverses.
        name: name of the model.

    Raises:
        TypeError: `distribution` is no `tfd.Distribution`.
        ValueError: it has a batch shape or an event shape that is not fully known.
    """

    def __init__(
        self,
        distribution: tfd.Distribution,
        *,
        penalties: Sequence[Any] | None = None,
        name: str = "flow_model",
    ) -> None:
        super().__init__(distribution, name=name)
        self.objective = NegativeLogLikelihood(dtype=self._adapter.dtype.name)
        tracked = track(distribution, self._evaluate_once)
        self.networks = tracked.layers
        for variable in tracked.adopted:
            self._track_variable(variable)
        if penalties is None:
            learned = any(k.learns_inverse for k in self.learned_inverses)
            penalties = [Reconstruction()] if learned else []
        self._penalties = Penalties(penalties, self._penalty_names(penalties))

    @property
    def learned_inverses(self) -> list[LearnedInverse]:
        """The layers that keep a learned inverse, nearest the data first."""
        return self._log_dets.layers

    def _evaluate_once(self) -> tf.Tensor:
        return self.log_prob(*self._one_row())

    def _one_row(self) -> tuple[tf.Tensor, tf.Tensor | None]:
        x = tf.zeros([1, *self._adapter.event_shape], self._adapter.dtype)
        if self.context_size is None:
            return x, None
        return x, tf.zeros([1, self.context_size], x.dtype)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> tf.Tensor:
        """Mean negative log-likelihood, plus what layers add by `add_loss`.

        Penalties add to its gradient and not to its value.
        """
        target = y_pred if y is None else y
        loss = self.objective(target, y_pred, sample_weight)
        if self._penalties.penalties:
            penalty = self._aggregate_additional_loss(self._penalty(x, training))
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

    def _penalty(self, inputs: Any, training: bool) -> tf.Tensor:
        x, context = self._unpacked(inputs)
        bijector, x, arguments = self._adapter.data_to_base(
            x, context, self._log_dets.present()
        )
        seed = self.seeds.next() if training else tf.constant([0, 0])
        return self._penalties.total(
            bijector, x, seed=seed, training=training, **arguments
        )

    def _penalty_names(self, penalties: Sequence[Any]) -> list[str]:
        """Names of all terms, from one trace."""

        def evaluate() -> list[dict[str, tf.Tensor]]:
            bijector, x, arguments = self._adapter.data_to_base(
                *self._one_row(), self._log_dets.present()
            )
            seed = tf.constant([0, 0])
            return [p(bijector, x, seed=seed, **arguments) for p in penalties]

        if not penalties:
            return []
        traced = tf.function(evaluate, autograph=False).get_concrete_function()
        return [name for terms in traced.structured_outputs for name in terms]

    # Training.

    def fit(
        self, x: Any = None, y: Any = None, batch_size: int | None = None, **kwargs: Any
    ) -> Any:
        """Trains as `keras.Model.fit`; y is the context of a conditional model.

        Raises:
            ValueError: nothing to train, a foreign loss, or data of the wrong form;
                before training.
        """
        self._check_trainable()
        x = self._packed(x, y)
        if kwargs.get("validation_data") is not None:
            kwargs["validation_data"] = model_inputs.pack_validation(
                kwargs["validation_data"], self.context_size, self._packed
            )
        target = model_inputs.target_for(x, kwargs.get("sample_weight"))
        return self.fit_target(x, target, batch_size=batch_size, **kwargs)

    def fit_target(self, inputs: Any, target: Any, **kwargs: Any) -> Any:
        """Trains on inputs as `call` takes them and a target of `objective`.

        This is how a model that is made of others trains one of them; `fit` is for
        everybody else.

        Args:
            inputs: x, or (x, context), or a data set of (inputs, target, weight).
            target: [N], the first argument of `objective`, or None.
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
        return keras.Model.fit(self, inputs, target, **kwargs)

    def _warn_of_unstable_mixtures(self, packed: Any) -> None:
        if any(layer.density == "mixture" for layer in self.learned_inverses):
            model_inputs.check_rereadable(packed)
            x, context = self._unpacked(model_inputs.some_rows(packed, 1024))
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

    def train_on_batch(self, *args: Any, **kwargs: Any) -> Any:
        """As in Keras; log-determinants are exact at its beginning."""
        self._log_dets.refresh()
        return super().train_on_batch(*args, **kwargs)

    # Saving.

    def get_config(self) -> dict[str, Any]:
        """The distribution as data, and the name.

        Raises:
            TypeError: a part of the distribution cannot be rebuilt from data.
        """
        return {
            "name": self.name,
            "distribution": serialize(self.distribution),
            "penalties": [
                keras.saving.serialize_keras_object(penalty)
                for penalty in self._penalties.penalties
            ],
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """Rebuilds the model; its weights are loaded by Keras."""
        penalties = [
            keras.saving.deserialize_keras_object(penalty)
            for penalty in config["penalties"]
        ]
        distribution = deserialize(config["distribution"])
        return cls(distribution, penalties=penalties, name=config["name"])
