"""One training batch of one stage of boosting against a density p(x, z)."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple

import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from tfp_flows.objectives.bounds.elbo import boosted_negative_elbo, negative_elbo
from tfp_flows.objectives.objective import FromFields, Terms

__all__ = ["BoostedBound", "BoundTerms", "boosted_stage"]


class BoundTerms(NamedTuple):
    """What a bound is made of, each [batch...], nats.

    Attributes:
        loss: what is minimized.
        reconstruction: −log p(x|z).
        kl: log q(z|x) − log p(z), whose mean is the divergence from the prior.
    """

    loss: tf.Tensor
    reconstruction: tf.Tensor
    kl: tf.Tensor


@dataclasses.dataclass(frozen=True)
class BoostedBound(FromFields):
    """The negative bound of log p(x): in training that of a stage, else of the whole.

    In training it is `boosted_stage` of the last component beside the earlier ones;
    outside −log p(x|z) + log q(z|x) − log p(z) at a draw z of the mixture q, with its
    exact density.

    Args:
        entropy_weight: λ of `boosted_negative_elbo`.
        log_floor: floor of log G there, nats.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"components", "score", "seed"})

    entropy_weight: float = 1.0
    log_floor: float = -10.0

    def __call__(self, evaluation: Any, *, seed: Any, training: bool) -> Terms:
        """Returns the bound of each row, and its parts `reconstruction` and `kl`.

        Args:
            evaluation: has `components`, of which the last one is new, `earlier`, their
                `mixture`, their `weights`, `score`, and the schedule's `beta` and
                `sample_all`: see `boosted_stage`.
            seed: stateless seed of shape [2].
            training: as above.
        """
        if not training:
            z, log_q = _draw(evaluation.mixture, seed)
            terms = _bound(evaluation.score, z, log_q)
        else:
            terms = boosted_stage(
                evaluation.components,
                evaluation.earlier,
                evaluation.score,
                weights=evaluation.weights,
                beta=evaluation.beta,
                sample_all=evaluation.sample_all,
                entropy_weight=self.entropy_weight,
                log_floor=self.log_floor,
                seed=seed,
            )
        parts = {"reconstruction": terms.reconstruction, "kl": terms.kl}
        return Terms(terms.loss, parts)


def boosted_stage(
    components: Sequence[tfd.Distribution],
    earlier: tfd.Distribution | None,
    score: Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]],
    *,
    weights: tf.Tensor,
    beta: Any,
    sample_all: Any,
    entropy_weight: float,
    log_floor: float,
    seed: Any,
) -> BoundTerms:
    """Draws z from one component for the whole batch and returns the stage's terms.

    In stage 1, and with probability `sample_all` later, z comes from a component
    j ~ w and the loss is the negative bound of that component; else z comes from the
    last component and the loss is `boosted_negative_elbo`.

    Args:
        components: g₁ … g_c, of which the last one is new.
        earlier: G_{c−1}, which should carry no gradient to its own parameters; None
            in stage 1.
        score: z → (log p(x|z), log p(z)), each [batch...].
        weights: w over the components, [c].
        beta: weight of prior and entropy.
        sample_all: probability of a batch from any component.
        entropy_weight: λ.
        log_floor: floor of log G, nats.
        seed: stateless seed of shape [2].
    """
    seeds = tf.unstack(tfp.random.split_seed(seed, 3))

    def from_any() -> BoundTerms:
        chosen = tfd.Categorical(probs=weights, dtype=tf.int32).sample(seed=seeds[1])
        draws = [lambda g=g: _draw(g, seeds[2]) for g in components]
        z, log_q = tf.switch_case(chosen, draws)
        return _bound(score, z, log_q, beta)

    if earlier is None:
        z, log_q = _draw(components[-1], seeds[2])
        return _bound(score, z, log_q, beta)
    log_earlier = earlier.log_prob

    def from_new() -> BoundTerms:
        z, log_g = _draw(components[-1], seeds[2])
        log_likelihood, log_prior = score(z)
        loss = boosted_negative_elbo(
            log_likelihood,
            log_prior,
            log_g,
            log_earlier(z),
            beta=beta,
            entropy_weight=entropy_weight,
            log_floor=log_floor,
        )
        return BoundTerms(loss, -log_likelihood, log_g - log_prior)

    uniform = tf.random.stateless_uniform([], seeds[0])
    return tf.cond(uniform < tf.cast(sample_all, uniform.dtype), from_any, from_new)


def _bound(
    score: Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]],
    z: tf.Tensor,
    log_q: tf.Tensor,
    beta: Any = 1.0,
) -> BoundTerms:
    log_likelihood, log_prior = score(z)
    loss = negative_elbo(log_likelihood, log_prior, log_q, beta)
    return BoundTerms(loss, -log_likelihood, log_q - log_prior)


def _draw(component: tfd.Distribution, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """A sample with its log-density, by one pass of the flow: TFP remembers it."""
    z = component.sample(seed=seed)
    log_density = component.log_prob(z)
    # A new tensor: other densities must not find this one in a cache.
    return tf.identity(z), log_density
