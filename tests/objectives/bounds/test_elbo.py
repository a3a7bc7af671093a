"""The bound, its boosted form, its schedules and the weights of a posterior."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import optimize
from tensorflow_probability import distributions as tfd

from tfp_flows.distributions import BoostedMixture
from tfp_flows.objectives import (
    boosted_negative_elbo,
    boosted_stage,
    fit_posterior_weights,
    importance_weighted_bound,
    kl_annealing,
    negative_elbo,
    sample_all_probability,
)


def normal(loc, scale=1.0, rows=400):
    """N(loc, scale²) on the plane, one for each row."""
    return tfd.MultivariateNormalDiag(
        np.full([rows, 2], loc), np.full([rows, 2], scale)
    )


def prior_only(z):
    """A likelihood of one: p(x, z) = p(z)."""
    zeros = np.zeros(2)
    return tf.zeros_like(z[..., 0]), tfd.MultivariateNormalDiag(zeros).log_prob(z)


def terms(components, earlier, **changed):
    arguments = {
        "weights": np.full(len(components), 1 / len(components)),
        "beta": 1.0,
        "sample_all": 0.0,
        "entropy_weight": 1.0,
        "log_floor": -10.0,
        "seed": [1, 2],
        **changed,
    }
    return boosted_stage(components, earlier, prior_only, **arguments)


def test_stage_loss_of_equal_gaussians_is_the_hand_formula():
    """g = G = N(0, I), λ = 0.7, β = 0.5: loss = log N + ½ (0.7 − 1) log N."""
    found = terms([normal(0.0), normal(0.0)], normal(0.0), beta=0.5, entropy_weight=0.7)
    z = normal(0.0).sample(seed=tfp_seed())
    log_density = normal(0.0).log_prob(z)
    np.testing.assert_allclose(found.loss, (1 - 0.15) * log_density, rtol=1e-12)
    np.testing.assert_allclose(found.kl, 0, atol=1e-12)
    np.testing.assert_array_equal(found.reconstruction, 0)


def tfp_seed():
    """The seed that a stage draws z with."""
    from tensorflow_probability import random

    return tf.unstack(random.split_seed([1, 2], 3))[2]


def test_the_floor_ends_the_drive_away():
    far = normal(100.0)
    found = terms([normal(0.0), normal(0.0)], far)
    np.testing.assert_allclose(found.loss, -10.0, atol=1e-12)


def test_stage_one_and_batches_of_all_are_plain_bounds():
    first = terms([normal(1.0, 0.5)], None)
    np.testing.assert_allclose(first.loss, first.kl, rtol=1e-12)
    both = [normal(1.0, 0.5), normal(-1.0, 0.5)]
    means = set()
    for seed in range(20):
        found = terms(both, both[0], sample_all=1.0, seed=[0, seed])
        np.testing.assert_allclose(found.loss, found.kl, rtol=1e-12)
        means.add(float(tf.reduce_mean(found.loss)))
    assert len(means) == 20


def test_a_batch_of_all_follows_the_weights():
    both = [normal(0.0), normal(30.0)]
    share = [
        float(
            terms(both, both[0], sample_all=1.0, weights=[0.8, 0.2], seed=[3, s]).kl[0]
        )
        > 100
        for s in range(200)
    ]
    assert abs(np.mean(share) - 0.2) < 4 * np.sqrt(0.16 / 200)


def test_sampling_from_all_happens_as_often_as_asked():
    both = [normal(0.0), normal(0.0)]
    stage = tf.function(lambda s: terms(both, both[0], sample_all=0.3, seed=s).loss[0])
    # A bound of N(0, I) by itself is zero; the stage's objective is not.
    from_all = [abs(float(stage(tf.constant([5, s])))) < 1e-9 for s in range(300)]
    assert abs(np.mean(from_all) - 0.3) < 4 * np.sqrt(0.21 / 300)


def test_the_gradient_reaches_the_new_component_alone():
    new, old = tf.Variable(0.3, dtype="float64"), tf.Variable(-0.5, dtype="float64")

    def at(loc):
        return tfd.MultivariateNormalDiag(loc * tf.ones([9, 2], "float64"))

    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(terms([at(old), at(new)], at(np.float64(-0.5))).loss)
    gradients = tape.gradient(loss, [new, old])
    assert abs(float(gradients[0])) > 1e-3
    assert gradients[1] is None or float(gradients[1]) == 0


def test_mixture_density_is_above_the_average_of_component_logs():
    """Which is what the released code estimates by one component a batch."""
    components = [normal(0.0), normal(1.0, 0.3), normal(-2.0, 2.0)]
    weights = np.array([0.5, 0.2, 0.3])
    x = np.random.default_rng(0).normal(size=[400, 2])
    each = np.stack([g.log_prob(x) for g in components], axis=-1)
    mixture = BoostedMixture(components, logits=np.log(weights)).log_prob(x)
    assert np.all(mixture >= each @ weights)
    assert np.mean(mixture - each @ weights) > 0.1


def test_importance_weights_rise_to_the_evidence():
    """p(x) = ∫ N(z; 0, 1) N(x; z, 1) dz = N(x; 0, 2), with a wrong posterior."""
    x, posterior = 1.2, tfd.Normal(np.zeros(4000), np.float64(1.0))
    means = []
    for count in (1, 10, 100):
        z = posterior.sample(count, seed=[0, count])
        joint = tfd.Normal(np.float64(0), 1).log_prob(z) + tfd.Normal(z, 1).log_prob(x)
        bound = importance_weighted_bound(joint, posterior.log_prob(z))
        means.append(float(tf.reduce_mean(bound)))
    evidence = float(tfd.Normal(np.float64(0), np.sqrt(2.0)).log_prob(x))
    assert means[0] < means[1] < means[2] < evidence
    assert evidence - means[2] < 0.01 < evidence - means[0]


def test_negative_elbo_weights_the_divergence():
    value = negative_elbo(
        *(tf.constant(v, tf.float64) for v in (-3.0, -2.0, -1.0)), beta=0.5
    )
    assert float(value) == 3.5


def test_boosted_bound_by_hand():
    value = boosted_negative_elbo(
        *(tf.constant(v, tf.float64) for v in (-3.0, -2.0, -1.0, -4.0)),
        beta=0.5,
        entropy_weight=0.6,
    )
    np.testing.assert_allclose(value, 3 - 4 + 0.5 * (-0.6 + 2))


def test_schedules():
    assert [kl_annealing(e, 4) for e in range(6)] == [0.25, 0.5, 0.75, 1, 1, 1]
    assert kl_annealing(0, 0) == 1
    assert sample_all_probability(1, 4, 0.9) == 0
    assert sample_all_probability(2, 4, 0.0) == 0.1
    assert sample_all_probability(2, 4, 1.0) == 0.5
    assert sample_all_probability(3, 1, 1.0) == 0.1


def weight_problem(locations, target):
    """Draws of Gaussians on the line against log p."""
    draws = np.random.default_rng(0).normal(size=[len(locations), 5000])
    z = draws + np.array(locations)[:, np.newaxis]
    densities = np.stack([tfd.Normal(m, 1.0).log_prob(z) for m in locations], -1)
    return target(z), densities.astype("float64"), z


def test_weights_find_the_mixture_they_come_from():
    def target(z):
        parts = [tfd.Normal(np.float64(m), 1.0).log_prob(z) for m in (-3, 3)]
        return np.logaddexp(np.log(0.3) + parts[0], np.log(0.7) + parts[1]) + 5.0

    joint, densities, _ = weight_problem(np.array([-3.0, 3.0, 9.0]), target)
    found = fit_posterior_weights(joint, densities)
    np.testing.assert_allclose(found.weights, [0.3, 0.7, 0.0], atol=0.01)
    np.testing.assert_allclose(found.objective, -5.0, atol=0.01)


def test_weights_agree_with_constrained_optimization():
    joint, densities, _ = weight_problem(
        np.array([-1.0, 0.0, 2.0]), lambda z: tfd.Normal(0.5, 1.7).log_prob(z).numpy()
    )

    def objective(weights):
        mixture = np.log(np.exp(densities) @ weights)
        return weights @ (mixture - joint).mean(axis=1)

    best = optimize.minimize(
        objective,
        np.full(3, 1 / 3),
        method="SLSQP",
        bounds=[(0, 1)] * 3,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
    )
    found = fit_posterior_weights(joint, densities, tolerance=1e-12)
    np.testing.assert_allclose(found.objective, best.fun, atol=1e-6)
    np.testing.assert_allclose(found.weights, best.x, atol=2e-3)


def test_weights_never_get_worse_and_refuse_numbers_that_are_none():
    joint, densities, _ = weight_problem(
        np.array([0.0, 4.0]), lambda z: tfd.Normal(0.0, 1.0).log_prob(z).numpy()
    )
    values = [
        fit_posterior_weights(joint, densities, initial=[0.2, 0.8], max_iterations=n)
        for n in range(1, 8)
    ]
    assert np.all(np.diff([v.objective for v in values]) <= 0)
    with pytest.raises(ValueError, match="diverged"):
        fit_posterior_weights(np.full_like(joint, np.nan), densities)
    with pytest.raises(ValueError, match=r"log_joint must have shape \[C, M\]"):
        fit_posterior_weights(joint, densities[:1])
