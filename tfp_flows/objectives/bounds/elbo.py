"""The evidence lower bound, its boosted form, and the schedules of their training.

log p(x) ≥ E_q[log p(x|z) + log p(z) − log q(z|x)]
"""

import tensorflow as tf

__all__ = [
    "boosted_negative_elbo",
    "importance_weighted_bound",
    "kl_annealing",
    "negative_elbo",
    "sample_all_probability",
]


def negative_elbo(
    log_likelihood: tf.Tensor,
    log_prior: tf.Tensor,
    log_posterior: tf.Tensor,
    beta: tf.Tensor | float = 1.0,
) -> tf.Tensor:
    """Returns −log p(x|z) + β (log q(z|x) − log p(z)), [batch...], nats.

    Args:
        log_likelihood: log p(x|z), [batch...].
        log_prior: log p(z), [batch...].
        log_posterior: log q(z|x) at the z that was drawn from it, [batch...].
        beta: weight of the divergence; 1 gives a bound of the evidence.
    """
    return -log_likelihood + beta * (log_posterior - log_prior)


def boosted_negative_elbo(
    log_likelihood: tf.Tensor,
    log_prior: tf.Tensor,
    log_component: tf.Tensor,
    log_earlier: tf.Tensor,
    *,
    beta: tf.Tensor | float = 1.0,
    entropy_weight: float = 1.0,
    log_floor: float = -10.0,
) -> tf.Tensor:
    """Returns what the new component g minimizes beside a fixed mixture G, [batch...].

        −log p(x|z) + max(log G(z|x), floor) + β (λ log g(z|x) − log p(z)),  z ~ g

    Its first term beyond the bound drives g away from what G explains; the floor
    ends that drive where G is small already, so that g does not only run away.

    Args:
        log_likelihood: log p(x|z), [batch...].
        log_prior: log p(z), [batch...].
        log_component: log g(z|x), [batch...].
        log_earlier: log G(z|x) of the earlier components, [batch...].
        beta: weight of prior and entropy.
        entropy_weight: λ; the optimum is g ∝ (p(x, z) / G)^{1/λ}.
        log_floor: where the drive away from G ends, nats.

    Reference: Giaquinto and Banerjee (2020), "Gradient Boosted Normalizing Flows",
    arXiv:2002.11896; floor and β from the released code, which estimates log G by
    one component where here it is exact.
    """
    away = tf.maximum(log_earlier, log_floor)
    return -log_likelihood + away + beta * (entropy_weight * log_component - log_prior)


def importance_weighted_bound(
    log_joint: tf.Tensor, log_posterior: tf.Tensor
) -> tf.Tensor:
    """Returns log 1/S Σₛ p(x, zₛ) / q(zₛ|x), zₛ ~ q, [batch...], nats.

    Its mean is below log p(x), rises with S and approaches log p(x).

    Args:
        log_joint: log p(x, zₛ), [S, batch...].
        log_posterior: log q(zₛ|x), [S, batch...].

    Reference: Burda et al. (2016), "Importance Weighted Autoencoders",
    arXiv:1509.00519, eq. 8.
    """
    count = tf.cast(tf.shape(log_joint)[0], log_joint.dtype)
    ratios = log_joint - log_posterior
    return tf.reduce_logsumexp(ratios, axis=0) - tf.math.log(count)


def kl_annealing(epoch: int, num_epochs: int) -> float:
    """Returns β of an epoch, counted from zero: 1/T, 2/T, … 1, then 1; T = 0: 1."""
    return 1.0 if num_epochs < 1 else min((epoch + 1) / num_epochs, 1.0)


def sample_all_probability(stage: int, num_components: int, fraction: float) -> float:
    """Returns how often a batch of a stage draws from all components so far.

    0 in stage 1, then max(0.1, fraction · min(½, 1 − 1/C)). Without such batches the
    decoder forgets the earlier components, which are frozen while it is not.

    Args:
        stage: the stage, counted from one.
        num_components: C.
        fraction: how much of the stage is done, in [0, 1].

    Reference: the released code of Giaquinto and Banerjee (2020), arXiv:2002.11896.
    """
    if stage <= 1:
        return 0.0
    return max(0.1, fraction * min(0.5, 1 - 1 / num_components))
