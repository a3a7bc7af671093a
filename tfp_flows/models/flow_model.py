"""A Keras model over a TFP distribution."""

from typing import Any

import keras

from tfp_flows.bijectors import InverseCertificate, inverse_certificate
from tfp_flows.models.bridge import fitness
from tfp_flows.models.bridge import inputs as model_inputs
from tfp_flows.models.bridge.keras_contract import KerasContract
from tfp_flows.models.bridge.serialization import (
    deserialize,
    serialize,
    serialize_part,
)
from tfp_flows.models.bridge.sizes import oversize_refused
from tfp_flows.models.last_finite import after_all
from tfp_flows.models.learned_inverse.refresh import with_log_determinants
from tfp_flows.models.learned_inverse.stability import warn_of_unstable_mixtures
from tfp_flows.models.objective_model import ObjectiveModel
from tfp_flows.models.workers import joined_workers, share_inputs

__all__ = ["FlowModel"]


@keras.saving.register_keras_serializable(package="tfp_flows")
class FlowModel(ObjectiveModel):
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

    # Training.

    def fit(
        self, x: Any = None, y: Any = None, batch_size: int | None = None, **kwargs: Any
    ) -> Any:
        """Trains as `keras.Model.fit`; y is the context of a conditional model.

        Small models spend much of a step in Keras: with
        ``compile(optimizer, steps_per_execution=n)``, n a divisor of the batches of an
        epoch, a step of some thousand weights takes two thirds of the time.

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
        return KerasContract.fit(self, inputs, target, **kwargs)

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
            "trainable": bool(self.trainable),
        }

    @classmethod
    @oversize_refused
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """Rebuilds the model; its weights are loaded by Keras."""
        read = keras.saving.deserialize_keras_object
        objective = config.get("objective")
        model = cls(
            deserialize(config["distribution"]),
            objective=None if objective is None else read(objective),
            penalties=[read(penalty) for penalty in config["penalties"]],
            name=config["name"],
        )
        if not config.get("trainable", True):
            model.trainable = False
        return model

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """As in Keras; of a frozen model the optimizer has all that it trained."""
        is_frozen = not self.trainable  # type: ignore[has-type]
        if is_frozen:
            self.trainable = True
        super().compile_from_config(config)
        if is_frozen:
            self.trainable = False
