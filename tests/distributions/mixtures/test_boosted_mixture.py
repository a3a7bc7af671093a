"""The mixture of boosting: its density, its samples, its weights, its score."""

import numpy as np
import pytest
import scipy.optimize
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp

from tfp_flows.architectures import coupling_flow
from tfp_flows.bijectors import context_arguments
from tfp_flows.distributions import (
    BoostedMixture,
    fit_mixture_weights,
    geometric_normalizer,
    geometric_score,
)

tfd = tfp.distributions


def gaussian(*mean, scale=0.5):
    return tfd.MultivariateNormalDiag(np.array(mean), np.full(len(mean), scale))


@pytest.fixture
def plane():
    """Three components in the plane, one of another family."""
    student = tfd.Independent(tfd.StudentT(np.full(2, 5.0), np.zeros(2), np.ones(2)), 1)
    components = [gaussian(-2.0, 0.0), gaussian(2.0, 1.0, scale=0.3), student]
    return BoostedMixture(components, weights=[0.5, 0.2, 0.3])


def grid(low, high, count):
    axis = low + (high - low) * (np.arange(count) + 0.5) / count
    points = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2)
    return points, ((high - low) / count) ** 2


def test_mixture_integrates_to_one(plane):
    points, cell = grid(-40.0, 40.0, 800)
    assert np.exp(plane.log_prob(points)).sum() * cell == pytest.approx(1, abs=1e-4)


def test_recursion_of_boosting_is_the_flat_mixture(plane):
    """G_c = (1 − r_c) G_{c−1} + r_c g_c with r_c = ρ_c / Σ_{j ≤ c} ρ_j."""
    rho = np.array([2.0, 0.7, 1.1])
    points = np.random.default_rng(0).normal(size=[50, 2])
    density = 0.0
    for count, component in enumerate(plane.components, start=1):
        rate = rho[count - 1] / rho[:count].sum()
        density = (1 - rate) * density + rate * np.exp(component.log_prob(points))
    flat = BoostedMixture(plane.components, weights=rho / rho.sum())
    np.testing.assert_allclose(flat.log_prob(points), np.log(density), atol=1e-12)


def test_samples_follow_weights_and_density(plane):
    x = plane.sample(20_000, seed=1)
    again = BoostedMixture(
        [gaussian(10.0 * j, 0.0) for j in range(3)], weights=[0.5, 0.2, 0.3]
    )
    drawn = np.rint(again.sample(20_000, seed=2).numpy()[:, 0] / 10).astype(int)
    expected = 20_000 * np.array([0.5, 0.2, 0.3])
    assert scipy.stats.chisquare(np.bincount(drawn), expected).pvalue > 1e-3
    points, cell = grid(-25.0, 25.0, 600)
    log_density = plane.log_prob(points).numpy()
    entropy = -(np.exp(log_density) * log_density).sum() * cell
    own = -plane.log_prob(x).numpy()
    assert abs(own.mean() - entropy) < 4 * own.std() / np.sqrt(len(own)) + 1e-3


def test_moments(plane):
    x = plane.sample(200_000, seed=3).numpy()
    np.testing.assert_allclose(plane.mean(), x.mean(0), atol=0.02)
    np.testing.assert_allclose(plane.variance(), x.var(0), rtol=0.03)


def test_zero_weight_stays_finite():
    mixture = BoostedMixture([gaussian(0.0), gaussian(9.0)], weights=[1.0, 0.0])
    x = np.array([[0.3], [9.0]])
    np.testing.assert_allclose(mixture.log_prob(x), gaussian(0.0).log_prob(x))
    np.testing.assert_allclose(
        geometric_score(mixture, x), gaussian(0.0).log_prob(x), atol=1e-12
    )
    assert np.abs(mixture.sample(100, seed=0)).max() < 5


def test_responsibilities_are_posterior_weights(plane):
    x = np.random.default_rng(0).normal(size=[7, 2])
    joint = np.stack([np.exp(g.log_prob(x)) for g in plane.components], -1)
    joint = joint * [0.5, 0.2, 0.3]
    expected = joint / joint.sum(-1, keepdims=True)
    np.testing.assert_allclose(plane.responsibilities(x), expected, atol=1e-12)


def test_batches_of_components():
    """As in variational inference: a component for each row, one set of weights."""
    loc = np.arange(3.0)
    components = [
        tfd.MultivariateNormalDiag(np.stack([loc, loc + shift], -1), np.ones(2))
        for shift in (0.0, 30.0)
    ]
    mixture = BoostedMixture(components, weights=[0.25, 0.75])
    assert mixture.batch_shape == [3]
    x = mixture.sample(4_000, seed=0)
    assert x.shape == [4_000, 3, 2]
    assert mixture.log_prob(x).shape == [4_000, 3]
    np.testing.assert_allclose(x.numpy().mean(0)[:, 0], loc, atol=0.1)
    np.testing.assert_allclose((x[..., 1] > 20).numpy().mean(0), 0.75, atol=0.03)


def test_context_reaches_every_component():
    small = {"num_layers": 1, "hidden_sizes": (4,), "context_size": 1}
    flows = [coupling_flow(2, seed=seed, **small) for seed in (0, 1)]
    mixture = BoostedMixture(flows)
    x, context = tf.ones([5, 2]), tf.random.stateless_normal([5, 1], [0, 1])
    kwargs = [
        {"bijector_kwargs": context_arguments(flow.bijector, context)} for flow in flows
    ]
    each = [
        flow.log_prob(x, **own).numpy() for flow, own in zip(flows, kwargs, strict=True)
    ]
    found = mixture.log_prob(x, component_kwargs=kwargs)
    np.testing.assert_allclose(found, np.logaddexp(*each) - np.log(2), rtol=1e-5)
    assert mixture.sample(5, seed=0, component_kwargs=kwargs).shape == [5, 2]
    with pytest.raises(ValueError, match="2 mappings, one a component; received 1"):
        mixture.log_prob(x, component_kwargs=kwargs[:1])


def test_wrong_components_and_weights_are_refused():
    one = gaussian(0.0, 0.0)
    with pytest.raises(ValueError, match="at least one"):
        BoostedMixture([])
    with pytest.raises(TypeError, match="received float"):
        BoostedMixture([one, 1.0])
    with pytest.raises(ValueError, match="stands twice"):
        BoostedMixture([one, one])
    with pytest.raises(ValueError, match="same event_shape"):
        BoostedMixture([one, gaussian(0.0)])
    two = [one, gaussian(1.0, 0.0)]
    for weights in ([0.5, 0.6], [1.5, -0.5], [np.nan, 1.0]):
        with pytest.raises(ValueError, match="with sum one"):
            BoostedMixture(two, weights=weights)
    with pytest.raises(ValueError, match=r"shape \[2\]"):
        BoostedMixture(two, weights=[1.0])
    with pytest.raises(ValueError, match="received both"):
        BoostedMixture(two, weights=[0.5, 0.5], logits=[0.0, 0.0])


# The geometric score.


def test_geometric_score_is_no_density_and_says_by_how_much(plane):
    on_grid = geometric_normalizer(
        plane, num_samples=10**6, bounds=[(-25.0, 25.0), (-25.0, 25.0)]
    )
    sampled = geometric_normalizer(plane, num_samples=40_000, seed=1)
    assert on_grid.method == "grid"
    assert on_grid.log_value < -0.5
    assert abs(sampled.log_value - on_grid.log_value) < 4 * sampled.standard_error
    assert 0 < sampled.effective_sample_size <= sampled.num_points == 40_000
    points, cell = grid(-25.0, 25.0, 1000)
    density = np.exp(geometric_score(plane, points) - on_grid.log_value)
    assert density.sum() * cell == pytest.approx(1, abs=1e-3)


def test_equal_components_have_no_normalizer():
    mixture = BoostedMixture([gaussian(0.5), gaussian(0.5)], weights=[0.3, 0.7])
    assert geometric_normalizer(mixture, num_samples=100).log_value == pytest.approx(0)


def test_normalizer_of_two_gaussians():
    """Γ of N(0, 1) and N(a, 1) with weights 1 − r and r is exp(−r (1 − r) a² / 2)."""
    components = [gaussian(0.0, scale=1.0), gaussian(2.0, scale=1.0)]
    mixture = BoostedMixture(components, weights=[0.7, 0.3])
    found = geometric_normalizer(mixture, num_samples=4_000, bounds=[(-15.0, 15.0)])
    assert found.log_value == pytest.approx(-0.7 * 0.3 * 4 / 2, abs=1e-6)


def test_grid_is_for_the_plane():
    mixture = BoostedMixture([gaussian(0.0, 0.0, 0.0)])
    with pytest.raises(ValueError, match="Leave bounds out"):
        geometric_normalizer(mixture, bounds=[(-1.0, 1.0)] * 3)


# The weights.


@pytest.fixture
def log_densities():
    """Three overlapping components at draws of another mixture."""
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(-2, 1, 300), rng.normal(2, 1, 100)])
    return np.stack(
        [scipy.stats.norm(m, s).logpdf(x) for m, s in ((-2, 1), (1.5, 1), (0, 3))], 1
    )


def negative_log_likelihood(weights, log_densities):
    return -np.log(np.exp(log_densities) @ weights).mean()


def test_weights_are_the_constrained_optimum(log_densities):
    found = fit_mixture_weights(log_densities)
    best = scipy.optimize.minimize(
        negative_log_likelihood,
        np.full(3, 1 / 3),
        args=(log_densities,),
        bounds=[(0, 1)] * 3,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
        method="SLSQP",
        options={"ftol": 1e-14},
    )
    assert -found.log_likelihood == pytest.approx(best.fun, abs=2e-6)
    np.testing.assert_allclose(found.weights, best.x, atol=5e-3)
    assert found.log_likelihood == pytest.approx(
        -negative_log_likelihood(found.weights, log_densities)
    )
    assert -best.fun - found.log_likelihood <= found.gap + 1e-9


def test_two_weights_solve_the_likelihood_equation(log_densities):
    """The derivative mean((g − G) / G_r) has its root at the found r."""
    old, new = np.exp(log_densities[:, :2]).T

    def slope(rate):
        return ((new - old) / ((1 - rate) * old + rate * new)).mean()

    root = scipy.optimize.brentq(slope, 1e-6, 1 - 1e-6)
    found = fit_mixture_weights(log_densities[:, :2], tolerance=1e-10)
    assert found.weights[1] == pytest.approx(root, abs=1e-4)


def test_weights_never_get_worse_than_their_start(log_densities):
    start = np.array([0.7, 0.3 - 1e-3, 1e-3])
    before = negative_log_likelihood(start, log_densities)
    for steps in (0, 1, 5, 50):
        found = fit_mixture_weights(log_densities, initial=start, max_iterations=steps)
        assert -found.log_likelihood <= before + 1e-12
        before = -found.log_likelihood


def test_sample_weights_are_repetitions(log_densities):
    times = np.random.default_rng(1).integers(0, 3, len(log_densities))
    weighted = fit_mixture_weights(log_densities, sample_weight=times)
    repeated = fit_mixture_weights(np.repeat(log_densities, times, axis=0))
    np.testing.assert_allclose(weighted.weights, repeated.weights, atol=1e-8)


def test_broken_densities_are_refused(log_densities):
    with pytest.raises(ValueError, match=r"shape \[N, C\]"):
        fit_mixture_weights(log_densities[:, 0])
    broken = log_densities.copy()
    broken[3, 1] = np.nan
    with pytest.raises(ValueError, match="first row 3"):
        fit_mixture_weights(broken)
    broken[3] = -np.inf
    with pytest.raises(ValueError, match="zero under every component, first row 3"):
        fit_mixture_weights(broken)
    with pytest.raises(ValueError, match="non-negative numbers"):
        fit_mixture_weights(log_densities, sample_weight=np.zeros(400))
