"""A variational autoencoder with a Gaussian, a flow or a boosted posterior."""

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfp_flows.bijectors import Continuous
from tfp_flows.models.bridge import fitness
from tfp_flows.models.bridge.inputs import is_array, pack_validation, target_for
from tfp_flows.models.bridge.row_mean import row_mean
from tfp_flows.models.bridge.serving import export_endpoints
from tfp_flows.models.bridge.sizes import oversize_refused
from tfp_flows.models.variational import arguments
from tfp_flows.models.variational.importance import importance_log_prob
from tfp_flows.models.variational.latent_variables import LatentVariables
from tfp_flows.models.variational.posteriors import GaussianPosterior
from tfp_flows.models.variational.stage_evaluation import bound_of
from tfp_flows.models.variational.staged_model import (
    BijectorWeights,
    StagedModel,
    rows_of,
)

__all__ = ["VariationalAutoencoder"]


@keras.saving.register_keras_serializable(package="tfp_flows")
class VariationalAutoencoder(StagedModel):
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

    Outputs of `call`, so of `predict`: loss, reconstruction and kl of each row.

    Args:
        encoder: Keras layer, x → [N, 2d + C]: location and raw scale of z0, whose
            scale is its softplus, and the context of amortized flows.
        decoder: Keras layer, [N, d] → [N, parameters of p(x|z)] in any shape.
        posterior: a `GaussianPosterior`, `FlowPosterior` or `BoostedPosterior`.
        likelihood: "bernoulli", "discretized_logistic" (whole numbers 0 … 255),
            "normal", or such as `NormalLikelihood(0.1)`.
        event_shape: shape of one x; default the encoder's input shape.
        name: name of the model.

    Raises:
        TypeError: an argument of a wrong kind.
        ValueError: sizes that do not fit together, or a component of a boosted
            posterior without a working inverse.

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
        name: str = "variational_autoencoder",
    ) -> None:
        posterior = GaussianPosterior() if posterior is None else posterior
        latent = LatentVariables(
            encoder,
            decoder,
            posterior,
            likelihood,
            event_shape,
            weights=lambda: self._present_weights(),
        )
        super().__init__(name=name, dtype=latent.dtype.name)
        self._latent = latent
        self.encoder, self.decoder = encoder, decoder
        self.objective = bound_of(posterior)
        self.reconstruction_metric = keras.metrics.Mean(name="reconstruction")
        self.kl_metric = keras.metrics.Mean(name="kl")
        count = len(posterior.bijectors)
        components = [self._weights_of(index) for index in range(count)]
        fits = getattr(posterior, "weights", "uniform") == "fitted"
        self._prepare_stages(components, fits_weights=fits)

    def _weights_of(self, index: int) -> BijectorWeights:
        def evaluate() -> tf.Tensor:
            component = self._latent.unit_component(index)
            return component.log_prob(component.sample(seed=[0, 0]))

        flow = self._latent.unit_flow(index)
        return BijectorWeights(flow, evaluate, name=f"component_{index}")

    @property
    def posterior(self) -> Any:
        """The family of q(z|x)."""
        return self._latent.posterior

    @property
    def likelihood(self) -> Any:
        """The family of p(x|z)."""
        return self._latent.likelihood

    @property
    def latent_size(self) -> int:
        """d, the size of z."""
        return self._latent.latent_size

    @property
    def event_shape(self) -> tuple[int, ...]:
        """Shape of one x."""
        return self._latent.event_shape

    @property
    def continuous_layers(self) -> list[Continuous]:
        """The layers of the posterior that solve an equation."""
        return self._latent.continuous_layers

    # Training.

    def call(self, inputs: Any, training: bool = False) -> dict[str, tf.Tensor]:
        """Returns loss, reconstruction and kl of each row, [N], from one draw of z."""
        evaluation = self._latent.evaluation(
            inputs,
            training=training,
            beta=self.beta.value,
            sample_all=self.sample_all.value,
            path_seed=self.seeds.next() if self.continuous_layers else None,
        )
        seed = self.seeds.next()
        terms = self.objective(evaluation, seed=seed, training=training)
        return {"loss": terms.loss, **terms.metrics}

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> tf.Tensor:
        """Mean loss of the rows, plus what layers add by `add_loss`."""
        loss = row_mean(y_pred["loss"], sample_weight)
        self.reconstruction_metric.update_state(y_pred["reconstruction"], sample_weight)
        self.kl_metric.update_state(y_pred["kl"], sample_weight)
        for penalty in self.losses:
            loss += tf.cast(self._aggregate_additional_loss(penalty), loss.dtype)
        return loss

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

    def _weight_terms(
        self, x: Any, num_rows: int, num_draws: int
    ) -> tuple[np.ndarray, np.ndarray]:
        # Without a trace: its size differs from stage to stage, and it runs once.
        joint, densities = self._latent.component_draws(
            rows_of(x, num_rows), self.seeds.next(), num_draws
        )
        return joint.numpy(), densities.numpy()

    # What the model computes.

    def posterior_distribution(self, x: Any) -> tfd.Distribution:
        """Returns q(z|x), batch shape [N], for x: [N, event...]."""
        self._synchronize()
        x = tf.convert_to_tensor(self._checked(x))
        return self._latent.posterior_distribution(x)

    def elbo(self, x: Any, num_samples: int = 1, seed: Any = None) -> tf.Tensor:
        """Returns the bound of each row, [N] in nats, mean over `num_samples` draws."""
        seed, count = self.seeds.stateless(seed), tf.constant(num_samples)
        return self._function(self._elbo)(self._checked(x), count, seed)

    def _elbo(self, x: tf.Tensor, num_samples: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        return -self._latent.bound_terms(x, seed, num_samples).loss

    def log_prob(
        self, x: Any, num_samples: int = 500, seed: Any = None, *, verbose: int = 0
    ) -> np.ndarray:
        """Returns the importance-weighted bound of log p(x), [N] in nats.

        Below log p(x) on average, and closer with more draws. Rows and draws are
        computed in pieces, so that memory does not grow with either.

        Args:
            x: [N, event...], or a `tf.data.Dataset` of such.
            num_samples: draws of z a row.
            seed: a whole number, or a stateless seed of shape [2].
            verbose: 1 shows the progress.
        """
        size = math.prod(self.event_shape) * self.likelihood.parameters_per_value
        return importance_log_prob(
            self._function(self._latent.draws),
            self._checked(x),
            num_samples,
            self.seeds.stateless(seed),
            size=size,
            verbose=verbose,
        )

    def encode(self, x: Any, seed: Any = None) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns a draw of q(z|x) and its mean, each [N, d].

        The mean is exact for a Gaussian, else that of 64 draws.
        """
        x, seed = self._checked(x), self.seeds.stateless(seed)
        return self._function(self._latent.encode)(x, seed)

    def reconstruct(self, x: Any, seed: Any = None) -> tf.Tensor:
        """Returns E[x|z] at a draw z of q(z|x), [N, event...]."""
        x, seed = self._checked(x), self.seeds.stateless(seed)
        return self._function(self._latent.reconstruct)(x, seed)

    def generate(self, n: int, seed: Any = None, *, sample: bool = False) -> tf.Tensor:
        """Returns E[x|z] at n draws z of the prior, [n, event...].

        Args:
            n: how many.
            seed: a whole number, or a stateless seed of shape [2].
            sample: draw x from p(x|z) in place of its mean.
        """
        if int(n) != n or n < 0:
            raise ValueError(f"n must be a whole number ≥ 0, received {n!r}.")
        method = self._latent.generate_sample if sample else self._latent.generate
        function = self._function(method)
        return function(tf.constant(int(n)), self.seeds.stateless(seed))

    def _checked(self, x: Any, y: Any = None) -> Any:
        if y is not None:
            raise ValueError("An autoencoder has no target: pass x alone.")
        latent = self._latent
        return arguments.checked_data(
            x, latent.event_shape, latent.likelihood, latent.dtype
        )

    # Saving.

    def get_config(self) -> dict[str, Any]:
        """Networks, posterior and likelihood as data, and the stage."""
        parts = {
            name: keras.saving.serialize_keras_object(getattr(self, name))
            for name in ("encoder", "decoder", "posterior", "likelihood")
        }
        place = {"event_shape": self.event_shape, "stage": self.stage}
        return {"name": self.name, **parts, **place}

    @classmethod
    @oversize_refused
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """Rebuilds the model; its weights are loaded by Keras."""
        config = dict(config)
        stage = config.pop("stage")
        for name in ("encoder", "decoder", "posterior", "likelihood"):
            config[name] = keras.saving.deserialize_keras_object(config[name])
        config["event_shape"] = tuple(config["event_shape"])
        model = cls(**config)
        # Now, so that an optimizer is built for the weights it was saved with.
        model._set_stage(stage)
        return model

    def export(self, filepath: str, **kwargs: Any) -> None:
        """Writes a SavedModel that answers without this package.

        With continuous layers it has no gradient: a tape over an endpoint finds None.

        Endpoints, with seed: int32 [2] or [] and n, num_samples: int32 []:

            encode(x, seed)              → a draw of q(z|x) and its mean, each [N, d]
            reconstruct(x, seed)         → [N, event...]
            generate(n, seed)            → [n, event...]
            elbo(x, num_samples, seed)   → [N]

        Args:
            filepath: directory to write.
            **kwargs: `verbose`: print each signature; `format` is "tf_saved_model".
        """
        self._synchronize()
        x = tf.TensorSpec([None, *self.event_shape], self._latent.dtype, name="x")
        seed = tf.TensorSpec([2], tf.int32, name="seed")
        n, num_samples = (
            tf.TensorSpec([], tf.int32, name=name) for name in ("n", "num_samples")
        )
        endpoints = {
            "encode": (self._latent.encode, [x, seed]),
            "reconstruct": (self._latent.reconstruct, [x, seed]),
            "generate": (self._latent.generate, [n, seed]),
            "elbo": (self._elbo, [x, num_samples, seed]),
        }
        layers = self.continuous_layers
        export_endpoints(self, filepath, endpoints, continuous=layers, **kwargs)
