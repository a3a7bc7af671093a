"""Encoder, decoder, posterior and likelihood under one plain interface.

log p(x, z) = log p(x|z) + log N(z; 0, I),   q(z|x) = Σⱼ wⱼ gⱼ(z|x)
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from tfp_flows.bijectors import Continuous, leaves
from tfp_flows.bijectors.continuous import PathRecord
from tfp_flows.models.bridge.adapter import LeafArguments
from tfp_flows.models.paths import path_arguments
from tfp_flows.models.variational import arguments
from tfp_flows.models.variational.likelihoods import likelihood_named
from tfp_flows.models.variational.posteriors import component_distribution, mixture_of
from tfp_flows.models.variational.stage_evaluation import (
    StageEvaluation,
    stage_evaluation,
)
from tfp_flows.objectives import BoundTerms, negative_elbo

__all__ = ["LatentVariables"]

# Draws that the mean of a flow's posterior is estimated from.
_MEAN_DRAWS = 64


class LatentVariables:
    """What an autoencoder computes with the weights w of its components.

    Nothing here is traced, trained or saved: this is the model's mathematics. The
    length c of w says that the first c components are in use.

    Args:
        encoder: x → [N, 2d + C].
        decoder: [N, d] → parameters of p(x|z).
        posterior: the family of q(z|x).
        likelihood: p(x|z), or its name.
        event_shape: shape of one x, or None for the encoder's.
        weights: returns w as it is now, [c].

    Raises:
        TypeError: an argument of a wrong kind.
        ValueError: sizes that do not fit together, or a component of a boosted
            posterior without a working inverse.
    """

    def __init__(
        self,
        encoder: keras.layers.Layer,
        decoder: keras.layers.Layer,
        posterior: Any,
        likelihood: Any,
        event_shape: tuple[int, ...] | None,
        weights: Callable[[], tf.Tensor],
    ) -> None:
        arguments.check_kinds(encoder, decoder, posterior)
        self.encoder, self.decoder, self.posterior = encoder, decoder, posterior
        self.likelihood, self._weights = likelihood_named(likelihood), weights
        self.event_shape = arguments.event_shape_of(encoder, event_shape)
        self.dtype = arguments.dtype_of(encoder, self.event_shape)
        self.context_size = arguments.context_size_of(posterior.bijectors)
        self.latent_size = arguments.latent_size_of(
            encoder, self.event_shape, self.context_size
        )
        arguments.check_decoder(
            decoder, self.latent_size, self.event_shape, self.likelihood
        )
        arguments.check_flows(
            posterior, self.latent_size, self.context_size, self.dtype
        )

    def unit_flow(self, index: int) -> tfd.TransformedDistribution | None:
        """The bare bijector j over N(0, I); None for a Gaussian component."""
        bijector = self.posterior.bijectors[index]
        if bijector is None:
            return None
        zeros = tf.zeros([self.latent_size], self.dtype)
        base = tfd.MultivariateNormalDiag(zeros, tf.ones_like(zeros))
        return tfd.TransformedDistribution(base, bijector)

    def unit_component(self, index: int) -> tfd.Distribution:
        """gⱼ at loc 0, scale 1 and context 0, batch shape [1]."""
        zeros = tf.zeros([1, self.latent_size], self.dtype)
        context = tf.zeros([1, self.context_size], self.dtype)
        return self._component(index, [zeros, tf.ones_like(zeros), context])

    @property
    def continuous_layers(self) -> list[Continuous]:
        """The layers of all components that solve an equation."""
        flows = [flow for flow in self.posterior.bijectors if flow is not None]
        every = [leaf for flow in flows for leaf in leaves(flow)]
        return [leaf for leaf in every if isinstance(leaf, Continuous)]

    def _component(
        self,
        index: int,
        encoded: list[tf.Tensor],
        told: LeafArguments | None = None,
    ) -> tfd.Distribution:
        loc, scale, context = encoded
        base = tfd.MultivariateNormalDiag(loc, scale)
        flow = self.posterior.bijectors[index]
        return component_distribution(flow, base, context, told)

    def encoded(self, x: tf.Tensor, training: bool = False) -> list[tf.Tensor]:
        """Location, scale and context of each row."""
        x = self.likelihood.encoder_input(tf.cast(x, self.dtype))
        sizes = [self.latent_size, self.latent_size, self.context_size]
        output = self.encoder(x, training=training)
        loc, raw_scale, context = tf.split(output, sizes, axis=-1)
        return [loc, tf.nn.softplus(raw_scale), context]

    def components(
        self,
        encoded: list[tf.Tensor],
        count: int,
        told: LeafArguments | None = None,
    ) -> list[tfd.Distribution]:
        """g₁(·|x) … of the count in use, batch shape [N]; layers are told `told`."""
        return [self._component(index, encoded, told) for index in range(count)]

    def posterior_distribution(self, x: tf.Tensor) -> tfd.Distribution:
        """q(z|x), batch shape [N]."""
        weights = self._weights()
        components = self.components(self.encoded(x), weights.shape[0])
        return mixture_of(components, weights)

    def decoded(self, z: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Parameters of p(x|z), [batch..., event..., P]."""
        flat = tf.reshape(z, [-1, self.latent_size])
        output = self.decoder(flat, training=training)
        shape = [*self.event_shape, self.likelihood.parameters_per_value]
        return tf.reshape(output, tf.concat([tf.shape(z)[:-1], shape], 0))

    def score(
        self, x: tf.Tensor, z: tf.Tensor, training: bool = False
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns log p(x|z) and log p(z), [batch...]."""
        x = tf.cast(x, self.dtype)
        values = self.likelihood.log_prob(x, self.decoded(z, training))
        axes = list(range(-len(self.event_shape), 0))
        zeros = tf.zeros([self.latent_size], self.dtype)
        prior = tfd.MultivariateNormalDiag(zeros, tf.ones_like(zeros))
        return tf.reduce_sum(values, axes), prior.log_prob(z)

    def evaluation(
        self,
        x: tf.Tensor,
        *,
        training: bool,
        path_seed: Any,
        penalties: Sequence[Any] = (),
        **schedule: Any,
    ) -> StageEvaluation:
        """The components in use at a batch, for `objectives.BoostedBound`.

        `path_seed` is that of continuous layers in training, whose solves serve the
        penalties too.
        """
        layers, record = self.continuous_layers, PathRecord()
        told: LeafArguments = {id(layer): {} for layer in layers}
        if training and layers:
            told = path_arguments(layers, penalties, path_seed)
        told = {layer: {**own, "record": record} for layer, own in told.items()}
        weights, encoded = self._weights(), self.encoded(x, training=training)
        count = weights.shape[0]
        # Fixed, encoder included: the gradient enters by z alone.
        fixed = [tf.stop_gradient(part) for part in encoded]
        return stage_evaluation(
            self.components(encoded, count, told),
            self.components(fixed, count - 1, told),
            functools.partial(self.score, x, training=training),
            weights,
            x=x,
            layers=layers,
            record=record,
            **schedule,
        )

    def bound_terms(self, x: tf.Tensor, seed: Any, num_samples: Any = 1) -> BoundTerms:
        """Terms of the bound with the exact log q(z|x), means over draws, [N]."""
        draws = self.draws(x, seed, num_samples)
        log_likelihood, log_prior, log_q = draws
        loss = negative_elbo(log_likelihood, log_prior, log_q)
        terms = BoundTerms(loss, -log_likelihood, log_q - log_prior)
        return BoundTerms(*(tf.reduce_mean(term, axis=0) for term in terms))

    def draws(
        self, x: tf.Tensor, seed: Any, num_samples: Any
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Returns log p(x|z), log p(z) and log q(z|x) at draws of q, [S, N]."""
        posterior = self.posterior_distribution(x)
        z = posterior.sample(num_samples, seed=seed)
        log_q = posterior.log_prob(z)
        return (*self.score(x, tf.identity(z)), log_q)

    def component_draws(
        self, x: tf.Tensor, seed: Any, num_draws: Any
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """At draws z of each component, log p(x, z) [c, M] and log gₖ(z) [c, M, c]."""
        components = self.components(self.encoded(x), self._weights().shape[0])
        seeds = tf.unstack(tfp.random.split_seed(seed, len(components)))
        joint, densities = [], []
        for component, own in zip(components, seeds, strict=True):
            z = tf.identity(component.sample(num_draws, seed=own))
            joint.append(tf.reshape(tf.add_n(self.score(x, z)), [-1]))
            each = [tf.reshape(g.log_prob(z), [-1]) for g in components]
            densities.append(tf.stack(each, axis=-1))
        return tf.stack(joint), tf.stack(densities)

    def encode(self, x: tf.Tensor, seed: Any) -> tuple[tf.Tensor, tf.Tensor]:
        """A draw of q(z|x) and its mean, each [N, d]."""
        posterior = self.posterior_distribution(x)
        first, second = tf.unstack(tfp.random.split_seed(seed, 2))
        sample = tf.identity(posterior.sample(seed=first))
        if isinstance(posterior, tfd.MultivariateNormalDiag):
            return sample, posterior.mean()
        draws = posterior.sample(_MEAN_DRAWS, seed=second)
        return sample, tf.reduce_mean(draws, axis=0)

    def reconstruct(self, x: tf.Tensor, seed: Any) -> tf.Tensor:
        """E[x|z] at a draw z of q(z|x), [N, event...]."""
        posterior = self.posterior_distribution(x)
        z = tf.identity(posterior.sample(seed=seed))
        return self.likelihood.mean(self.decoded(z))

    def generate(self, n: tf.Tensor, seed: Any) -> tf.Tensor:
        """E[x|z] at n draws z of the prior, [n, event...]."""
        return self.likelihood.mean(self.decoded(self._prior_draws(n, seed)))

    def generate_sample(self, n: tf.Tensor, seed: Any) -> tf.Tensor:
        """Draws x from p(x|z) at n draws z of the prior, [n, event...]."""
        first, second = tf.unstack(tfp.random.split_seed(seed, 2))
        parameters = self.decoded(self._prior_draws(n, first))
        return self.likelihood.sample(parameters, second)

    def _prior_draws(self, n: tf.Tensor, seed: Any) -> tf.Tensor:
        shape = tf.stack([n, self.latent_size])
        return tf.random.stateless_normal(shape, seed, dtype=self.dtype)
