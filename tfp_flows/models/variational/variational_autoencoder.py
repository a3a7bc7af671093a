"""A variational autoencoder with a Gaussian, a flow or a boosted posterior."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfp_flows.models.bridge import fitness
from tfp_flows.models.bridge.inputs import is_array, pack_validation, target_for
from tfp_flows.models.bridge.row_mean import row_mean
from tfp_flows.models.bridge.serialization import serialize_part
from tfp_flows.models.bridge.sizes import oversize_refused
from tfp_flows.models.paths import PathCounts, calls_of
from tfp_flows.models.penalties import Penalties
from tfp_flows.models.variational.latent_model import LatentModel
from tfp_flows.models.variational.latent_variables import LatentVariables
from tfp_flows.models.variational.posteriors import GaussianPosterior
from tfp_flows.models.variational.stage_evaluation import bound_of

__all__ = ["VariationalAutoencoder"]


@keras.saving.register_keras_serializable(package="tfp_flows")
class VariationalAutoencoder(LatentModel):
    """p(x) = ∫ p(x|z) N(z; 0, I) dz, trained by a bound with the posterior q(z|x).

        log p(x) ≥ E_q[log p(x|z) + log p(z) − log q(z|x)]

        model = VariationalAutoencoder(
            dense_encoder(784, 16), dense_decoder(16, 784),
            posterior=BoostedPosterior(lambda j: Coupling(16, flip=j % 2 == 1), 3))
        model.fit(x, epochs=30, validation_data=x_held_out)   # 30 epochs a stage
        model.evaluate(x_held_out, return_dict=True)          # loss = −ELBO, nats
        model.log_prob(x_held_out)                            # 500 draws a row

    A boosted posterior trains one component a stage, by the objective of
    `objectives.boosted_stage`; encoder and decoder train in all stages. `loss` is the
    stage's objective, `val_loss` always the negative bound of the whole mixture, with
    the exact log q(z|x). A fit that was killed goes on with the stage that was not
    finished, also after `save` and `load_model`; once all stages are finished, `fit`
    goes on training the last component.

    Outputs of `call`, so of `predict`: loss, reconstruction and kl of each row, and the
    calls of the velocity for its draw where the posterior is one continuous flow, which
    are metrics then.

    Args:
        encoder: Keras layer, x → [N, 2d + C]: location and raw scale of z0, whose
            scale is its softplus, and the context of amortized flows.
        decoder: Keras layer, [N, d] → [N, parameters of p(x|z)] in any shape.
        posterior: a `GaussianPosterior`, `FlowPosterior` or `BoostedPosterior`.
        likelihood: "bernoulli", "discretized_logistic" (whole numbers 0 … 255),
            "normal", or such as `NormalLikelihood(0.1)`.
        event_shape: shape of one x; default the encoder's input shape.
        penalties: of the paths of a continuous posterior, such as
            `objectives.TrajectoryPolynomial()`, in training; metrics by name.
        name: name of the model.

    Raises:
        TypeError: an argument of a wrong kind.
        ValueError: sizes that do not fit together, a component of a boosted posterior
            without a working inverse, or penalties of paths that are not there.

    Reference: Kingma and Welling (2014), arXiv:1312.6114; boosting: Giaquinto and
    Banerjee (2020), "Gradient Boosted Normalizing Flows", arXiv:2002.11896.
    """

    def __init__(
        self,
        encoder: keras.layers.Layer,
        decoder: keras.layers.Layer,
        *,
        posterior: Any = None,
        likelihood: Any = "bernoulli",
        event_shape: tuple[int, ...] | None = None,
        penalties: Sequence[Any] = (),
        name: str = "variational_autoencoder",
    ) -> None:
        latent = LatentVariables(
            encoder,
            decoder,
            GaussianPosterior() if posterior is None else posterior,
            likelihood,
            event_shape,
            weights=lambda: self._present_weights(),
        )
        super().__init__(latent, name=name)
        self.objective = bound_of(latent.posterior)
        self.reconstruction_metric = keras.metrics.Mean(name="reconstruction")
        self.kl_metric = keras.metrics.Mean(name="kl")
        self._prepare_components()
        single = self.num_components == 1 and bool(self.continuous_layers)
        self._paths = PathCounts() if single else None
        self._penalties = Penalties(penalties, self._terms_of(penalties))

    def _terms_of(self, penalties: Sequence[Any]) -> list[str]:
        """Names of the terms of penalties, from one trace."""
        for penalty in penalties:
            if "path" not in getattr(penalty, "needs", ()) or self._paths is None:
                raise ValueError(
                    "penalties: expected penalties of paths, such as "
                    "objectives.TrajectoryPolynomial(), and a FlowPosterior with a "
                    f"bijectors.Continuous; received {type(penalty).__name__} and "
                    f"{type(self.posterior).__name__}."
                )

        def evaluate() -> list[Any]:
            x, seed = tf.zeros([1, *self.event_shape], self._latent.dtype), [0, 0]
            options = {"path_seed": seed, "penalties": penalties}
            evaluation = self._latent.evaluation(x, training=True, **options)
            self.objective(evaluation, seed=seed, training=True)
            each = (part(evaluation, seed=seed, training=True) for part in penalties)
            return [dict(terms.metrics) for terms in each]

        if not penalties:
            return []
        traced = tf.function(evaluate, autograph=False).get_concrete_function()
        return [name for terms in traced.structured_outputs for name in terms]

    # Training.

    def call(self, inputs: Any, training: bool = False) -> dict[str, tf.Tensor]:
        """Returns loss, reconstruction and kl of each row, [N], from one draw of z.

        And the calls of its draw, [N], where the posterior is one continuous flow; in
        training the penalty, a scalar, where there is one.
        """
        acting = self._penalties.acting(training)
        evaluation = self._latent.evaluation(
            inputs,
            training=training,
            beta=self.beta.value,
            sample_all=self.sample_all.value,
            path_seed=self.seeds.next() if self.continuous_layers else None,
            penalties=acting,
        )
        seed = self.seeds.next()
        terms = self.objective(evaluation, seed=seed, training=training)
        found = {"loss": terms.loss, **terms.metrics}
        if self._paths is not None:
            found["calls"] = calls_of(evaluation.path)
        if acting:
            seed = self.seeds.next()
            total = self._penalties.total(evaluation, seed=seed, training=training)
            found["penalty"] = total
        return found

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> tf.Tensor:
        """Mean loss of the rows, plus what layers add by `add_loss`.

        Penalties add to its gradient and not to its value.
        """
        loss = row_mean(y_pred["loss"], sample_weight)
        self.reconstruction_metric.update_state(y_pred["reconstruction"], sample_weight)
        self.kl_metric.update_state(y_pred["kl"], sample_weight)
        if self._paths is not None:
            self._paths.update(y_pred["calls"])
        if "penalty" in y_pred:
            penalty = self._aggregate_additional_loss(y_pred["penalty"])
            loss += tf.cast(penalty - tf.stop_gradient(penalty), loss.dtype)
        for penalty in self.losses:
            loss += tf.cast(self._aggregate_additional_loss(penalty), loss.dtype)
        return loss

    def compute_metrics(
        self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None
    ) -> dict[str, Any]:
        """As in Keras; an evaluation does not show the penalties it lacks."""
        logs = super().compute_metrics(x, y, y_pred, sample_weight)
        absent = [] if "penalty" in y_pred else self._penalties.names_in_training_only
        return {name: value for name, value in logs.items() if name not in absent}

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        *,
        annealing_epochs: int | None = None,
        validation_data: Any = None,
        callbacks: Any = None,
        **kwargs: Any,
    ) -> keras.callbacks.History:
        """Trains as `keras.Model.fit`, `epochs` in each stage.

        Callbacks see one training with consecutive epochs, `EarlyStopping` and
        `ReduceLROnPlateau` one training a stage. The history has the stage and β of
        each epoch. A stage does not stop while β rises.

        Args:
            x: [N, event...], or a `tf.data.Dataset` of such.
            y: None.
            batch_size: as in Keras.
            epochs: of each stage.
            annealing_epochs: over how many β rises to one; default half of `epochs`.
            validation_data: x, a data set, or (x, None, sample_weight).
            callbacks: as in Keras.
            **kwargs: as in Keras.

        Raises:
            ValueError: data that the likelihood does not admit; before training.
        """
        fitness.check_arguments(batch_size=batch_size, **kwargs)
        x = self._checked(x, y)
        if validation_data is not None:
            validation_data = pack_validation(validation_data, None, self._checked)
        if not is_array(x):
            kwargs.setdefault("shuffle", False)
        with fitness.explained():
            return self._fit_stages(
                x,
                target_for(x, kwargs.get("sample_weight")),
                batch_size,
                epochs=epochs,
                annealing_epochs=annealing_epochs,
                callbacks=callbacks,
                validation_data=validation_data,
                **kwargs,
            )

    def evaluate(self, x: Any = None, y: Any = None, **kwargs: Any) -> Any:
        """Returns mean −ELBO of the mixture, kl and reconstruction, one draw a row.

        In a list in Keras' order of metrics; `return_dict=True` names them.
        """
        self._synchronize()
        if kwargs.get("_use_cached_eval_dataset"):
            # Keras' own call from within `fit`: checked there.
            return super().evaluate(x, y, **kwargs)
        fitness.check_arguments(**kwargs)
        x = self._checked(x, y)
        target = target_for(x, kwargs.get("sample_weight"))
        with fitness.explained():
            return super().evaluate(x, target, **kwargs)

    def predict(self, x: Any, **kwargs: Any) -> dict[str, np.ndarray]:
        """Returns loss, reconstruction and kl of each row, one draw of z."""
        self._synchronize()
        fitness.check_arguments(**kwargs)
        with fitness.explained():
            return super().predict(self._checked(x), **kwargs)

    # Saving.

    def get_config(self) -> dict[str, Any]:
        """Networks, posterior and likelihood as data, and the stage."""
        parts = {
            name: keras.saving.serialize_keras_object(getattr(self, name))
            for name in ("encoder", "decoder", "posterior", "likelihood")
        }
        place = {"event_shape": self.event_shape, "stage": self.stage}
        penalties = [serialize_part(part) for part in self._penalties.penalties]
        return {"name": self.name, "penalties": penalties, **parts, **place}

    @classmethod
    @oversize_refused
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """Rebuilds the model; its weights are loaded by Keras."""
        config = dict(config)
        stage = config.pop("stage")
        for name in ("encoder", "decoder", "posterior", "likelihood"):
            config[name] = keras.saving.deserialize_keras_object(config[name])
        read = keras.saving.deserialize_keras_object
        config["penalties"] = [read(part) for part in config.get("penalties", ())]
        config["event_shape"] = tuple(config["event_shape"])
        model = cls(**config)
        # Now, so that an optimizer is built for the weights it was saved with.
        model._set_stage(stage)
        return model
