"""What a model with latent variables computes, and serves."""

import abc
import math
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfp_flows.bijectors import Continuous
from tfp_flows.models.bridge import inputs as model_inputs
from tfp_flows.models.bridge.serving import export_endpoints
from tfp_flows.models.variational import arguments
from tfp_flows.models.variational.importance import importance_log_prob
from tfp_flows.models.variational.latent_variables import LatentVariables
from tfp_flows.models.variational.staged_model import (
    BijectorWeights,
    StagedModel,
    rows_of,
)

__all__ = ["LatentModel"]


class LatentModel(StagedModel, abc.ABC):
    """Encodes, scores, generates and exports; how it trains is a subclass's.

    Args:
        latent: what is computed with the weights of the components.
        name: name of the model.

    Attributes:
        posterior, likelihood: the families of q(z|x) and p(x|z).
        latent_size: d, the size of z.
        event_shape: shape of one x.
    """

    def __init__(self, latent: LatentVariables, *, name: str) -> None:
        super().__init__(name=name, dtype=latent.dtype.name)
        self._latent = latent
        self.encoder, self.decoder = latent.encoder, latent.decoder
        self.posterior, self.likelihood = latent.posterior, latent.likelihood
        self.latent_size, self.event_shape = latent.latent_size, latent.event_shape

    def _prepare_components(self) -> None:
        """After the other parts: optimizers in files know variables by their order."""
        posterior = self.posterior
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
    def continuous_layers(self) -> list[Continuous]:
        """The layers of the posterior that solve an equation."""
        return self._latent.continuous_layers

    def _weight_terms(
        self, x: Any, num_rows: int, num_draws: int
    ) -> tuple[np.ndarray, np.ndarray]:
        # Without a trace: its size differs from stage to stage, and it runs once.
        joint, densities = self._latent.component_draws(
            rows_of(x, num_rows), self.seeds.next(), num_draws
        )
        return joint.numpy(), densities.numpy()

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
        model_inputs.check_count(n)
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

    # Serving.

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
