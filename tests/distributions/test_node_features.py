"""Kinds of nodes, whole numbers and how many nodes: sums of what is bounded."""

import itertools

import numpy as np
import pytest
import tensorflow_probability as tfp
from scipy import special

from tfp_flows.distributions import NodeFeatures

tfd = tfp.distributions
LOC = np.array([0.3, -0.4, 1.0, 0.2, -0.5, 0.1])
SCALE = np.array([1.0, 0.5, 0.7, 1.0, 1.5, 0.8])


def features(*classes, num_places=3):
    h = np.zeros([num_places, 2])
    h[: len(classes)] = np.eye(2)[list(classes)]
    return h.reshape(-1)


def randomized(distribution):
    """A q that is no longer the same for all classes."""
    rng = np.random.default_rng(0)
    for variable in distribution.trainable_variables:
        variable.assign(0.1 * rng.normal(size=variable.shape))
    return distribution


EVERY = [c for m in (2, 3) for c in itertools.product(range(2), repeat=m)]


def test_probabilities_of_all_molecules_are_exact_on_average_and_bounded():
    density = tfd.MultivariateNormalDiag(LOC, SCALE)
    found = randomized(NodeFeatures(density, 3, 2))
    h = np.array([features(*c) for c in EVERY])
    found.initialize(h)
    # Four of two nodes, eight of three, one more of each.
    np.testing.assert_allclose(np.exp(found.log_sizes), [5 / 14, 9 / 14])
    # The first number of a node is above the second, independently of other nodes.
    means, deviations = LOC[::2] - LOC[1::2], np.hypot(SCALE[::2], SCALE[1::2])
    first = special.ndtr(means / deviations)
    exact = np.array(
        [
            {2: 5 / 14, 3: 9 / 14}[len(c)]
            * np.prod([first[i] if k == 0 else 1 - first[i] for i, k in enumerate(c)])
            for c in EVERY
        ]
    )
    assert exact.sum() == pytest.approx(1.0)
    draws = 20_000
    logs = found.log_prob(np.tile(h, [draws, 1, 1]), seed=(0, 1)).numpy()
    estimates = np.exp(logs)
    error = estimates.std(axis=0) / np.sqrt(draws)
    assert (error < 0.5 * exact).all()
    assert (np.abs(estimates.mean(axis=0) - exact) < 5 * error).all()
    bound = logs.mean(axis=0)
    assert (bound < np.log(exact)).all()
    assert (bound > np.log(exact) - 6.0).all()
    # Without a seed the noise is the row's own, the mean of four draws of it.
    many = NodeFeatures(density, 3, 2, num_samples=400)
    randomized(many).initialize(h)
    error = logs.std(axis=0) / 20
    assert (np.abs(many.log_prob(h) - bound) < 5 * error).all()
    np.testing.assert_allclose(many.log_prob(h[3:]), many.log_prob(h)[3:], rtol=1e-12)


def test_lifted_kinds_have_their_probability_by_quadrature():
    density = tfd.MultivariateNormalDiag(LOC[:4], SCALE[:4])
    distribution = randomized(NodeFeatures(density, 2, 2))
    axis, step = np.linspace(-8.0, 8.0, 33, retstep=True)
    noise = np.stack(np.meshgrid(*[axis] * 4), axis=-1).reshape(-1, 4)
    weights = step**4 * np.exp(-0.5 * (noise**2).sum(axis=1)) / (2 * np.pi) ** 2
    first = special.ndtr((LOC[::2] - LOC[1::2]) / np.hypot(SCALE[::2], SCALE[1::2]))
    for classes in itertools.product(range(2), repeat=2):
        h = np.broadcast_to(features(*classes, num_places=2), noise.shape)
        ratio = np.exp(distribution._bound(h, np.full(len(h), 2.0), noise))
        each = [first[i] if k == 0 else 1 - first[i] for i, k in enumerate(classes)]
        assert (weights * ratio).sum() == pytest.approx(np.prod(each), rel=1e-3)


def test_samples_have_the_probabilities():
    distribution = NodeFeatures(tfd.MultivariateNormalDiag(LOC, SCALE), 3, 2)
    h = distribution.sample(20_000, seed=(0, 1)).numpy()
    assert np.isfinite(distribution.log_prob(h)).all()
    assert (h[:, 4:].any(axis=1)).mean() == pytest.approx(0.5, abs=0.02)
    first = special.ndtr((LOC[0] - LOC[1]) / np.hypot(SCALE[0], SCALE[1]))
    assert h[:, 0].mean() == pytest.approx(first, abs=0.02)


def test_whole_numbers_have_the_mass_of_their_interval():
    """Two nodes, a class and a whole number each."""
    density = tfd.MultivariateNormalDiag(np.zeros(6), np.full(6, 1.5))
    distribution = randomized(NodeFeatures(density, 2, 2, num_integers=1))
    h = np.array([1.0, 0, -1, 0, 1, 2])
    exact = 0.25 * np.diff(special.ndtr(np.array([-1, 0]) / 1.5))
    exact *= np.diff(special.ndtr(np.array([2, 3]) / 1.5))
    values = np.exp(distribution.log_prob(np.tile(h, [20_000, 1]), seed=(2, 3)))
    assert abs(values.mean() - exact[0]) < 5 * values.std() / np.sqrt(20_000)
    drawn = distribution.sample(50, seed=1).numpy().reshape(50, 2, 3)
    np.testing.assert_array_equal(drawn, np.floor(drawn))


@pytest.mark.parametrize(
    "h",
    [
        [0, 0, 1, 0, 1, 0],
        [1, 0, 0, 0, 0, 0],
        [1, 0, 0.5, 0.5, 0, 0],
        [1, 1, 1, 0, 0, 0],
        [1, 0, np.nan, 0, 0, 0],
    ],
    ids=["a hole", "a single one", "halves", "two classes", "no number"],
)
def test_what_is_no_molecule_has_no_probability_and_sets_nothing(h):
    distribution = NodeFeatures(tfd.MultivariateNormalDiag(LOC, SCALE), 3, 2)
    assert distribution.log_prob(np.array(h, "float64")) == -np.inf
    with pytest.raises(ValueError, match="received row 1 otherwise"):
        distribution.initialize(np.array([features(0, 1), h]))


def test_other_densities_are_refused():
    with pytest.raises(ValueError, match=r"density over \[9\], 3 numbers"):
        NodeFeatures(tfd.MultivariateNormalDiag(LOC, SCALE), 3, 3)
    with pytest.raises(ValueError, match="num_places and num_classes must be"):
        NodeFeatures(tfd.MultivariateNormalDiag(LOC, SCALE), 6, 1)
