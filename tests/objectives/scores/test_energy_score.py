"""The energy score against slow NumPy, closed forms, and what it must not do."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import gamma, hyp1f1
from tensorflow_probability import distributions as tfd

from tfp_flows.architectures import coupling_flow, semi_autoregressive_flow
from tfp_flows.distributions import Dequantized, ImplicitDistribution
from tfp_flows.models import FlowModel
from tfp_flows.objectives import EnergyScore

RNG = np.random.default_rng(0)
X = RNG.normal(size=[5, 6])
DRAWS = RNG.normal(size=[4, 5, 6])


def slow(x, draws, distance, pairs=None):
    """By its definition, a row at a time; `pairs` of draws, all by default."""
    m = len(draws)
    pairs = pairs or [(k, j) for k in range(m) for j in range(m) if k != j]
    return np.array(
        [
            np.mean([distance(draws[k, i] - x[i]) for k in range(m)])
            - 0.5 * np.mean([distance(draws[k, i] - draws[j, i]) for k, j in pairs])
            for i in range(len(x))
        ]
    )


def norm(beta):
    return lambda d: np.sum(d**2) ** (beta / 2)


@pytest.mark.parametrize("beta", [0.5, 1.0, 1.7])
def test_it_is_its_definition(beta):
    own = EnergyScore(beta).score(X, DRAWS)
    np.testing.assert_allclose(own, slow(X, DRAWS, norm(beta)), rtol=1e-6)
    band = EnergyScore(beta, estimator="band").score(X, DRAWS)
    neighbors = [(k, k + 1) for k in range(3)]
    np.testing.assert_allclose(band, slow(X, DRAWS, norm(beta), neighbors), rtol=1e-6)
    # Of all rows, and in columns of other units.
    shared = EnergyScore(beta, scale=np.arange(1, 7)).score(X, DRAWS[:, 0])
    units = np.arange(1.0, 7.0)
    repeated = np.repeat(DRAWS[:, :1], 5, axis=1) / units
    np.testing.assert_allclose(shared, slow(X / units, repeated, norm(beta)), rtol=1e-6)


def test_blocks_are_scored_one_by_one_and_weigh_alike():
    sizes = (1, 3, 2)
    cuts = np.cumsum(sizes)[:-1]
    weights = (2 / np.array(sizes)) ** 0.25

    def distance(d):
        parts = np.split(d, cuts)
        return sum(w * norm(0.5)(p) for w, p in zip(weights, parts, strict=True))

    found = EnergyScore(0.5, blocks=sizes).score(X, DRAWS)
    np.testing.assert_allclose(found, slow(X, DRAWS, distance), rtol=1e-6)


def test_patches_by_box_sums_are_patches_one_by_one():
    x, draws = RNG.normal(size=[2, 6, 5, 2]), RNG.normal(size=[3, 2, 6, 5, 2])

    def distance(d):
        patches = [d[i : i + 3, j : j + 3] for i in range(4) for j in range(3)]
        return np.mean([norm(0.7)(patch) for patch in patches])

    found = EnergyScore(0.7, patch=3).score(x, draws)
    np.testing.assert_allclose(found, slow(x, draws, distance), rtol=1e-6)


@pytest.mark.parametrize("beta", [0.5, 1.0])
def test_slices_have_the_mean_of_the_whole(beta):
    sliced = EnergyScore(beta, projections=100_000).score(X, DRAWS, seed=(1, 2))
    np.testing.assert_allclose(sliced, EnergyScore(beta).score(X, DRAWS), rtol=0.02)


@pytest.mark.parametrize(
    ("d", "beta", "pair"),
    [
        *((1, 1.0, 1.12838), (2, 0.5, 1.28185), (3, 1.5, 3.61602)),
        *((16, 1.0, 5.56921), (64, 1.0, 11.26960)),
    ],
)
@pytest.mark.parametrize("m", [2, 5])
def test_it_has_the_mean_of_the_closed_form(d, beta, pair, m):
    """Of N(0, I) at a point of norm 1.5, within four standard errors."""
    rows = 20_000
    x = np.zeros([rows, d])
    x[:, 0] = 1.5
    draws = np.random.default_rng(1).normal(size=[m, rows, d])
    toward = 2 ** (beta / 2) * gamma((d + beta) / 2) / gamma(d / 2)
    toward *= hyp1f1(-beta / 2, d / 2, -(1.5**2) / 2)
    found = EnergyScore(beta).score(x, draws).numpy()
    error = found.std() / np.sqrt(rows)
    assert abs(found.mean() - (toward - pair / 2)) < 4 * error + 1e-5


def test_its_gradient_is_finite_where_everything_coincides():
    draws = tf.Variable(np.zeros([2, 3, 4]))
    for options in ({}, {"projections": 2}, {"blocks": (2, 2)}):
        with tf.GradientTape() as tape:
            score = EnergyScore(0.5, **options).score(np.zeros([3, 4]), draws)
        np.testing.assert_array_equal(score, np.zeros(3))
        assert np.all(np.isfinite(tape.gradient(score, draws)))


def test_gradients_are_differences():
    x, draws = tf.constant(X), tf.constant(DRAWS)
    score = EnergyScore(0.8).score
    theory, numeric = tf.test.compute_gradient(lambda s: score(x, s), [draws])
    np.testing.assert_allclose(theory[0], numeric[0], atol=1e-6)


def test_two_draws_find_the_right_width():
    """The biased estimate, divided by m², would be least at a deviation of 0.378."""
    rng = np.random.default_rng(2)
    x, noise = rng.normal(size=[100_000, 2]), rng.normal(size=[2, 100_000, 2])
    widths = np.linspace(0.3, 1.3, 41)
    score = EnergyScore().score
    means = [np.mean(score(tf.constant(x), tf.constant(w * noise))) for w in widths]
    assert widths[np.argmin(means)] == pytest.approx(1.0, abs=0.05)


def test_training_ends_at_the_right_width():
    width = tf.Variable(0.5)
    model = FlowModel(tfd.Sample(tfd.Normal(0.0, width), 2), objective=EnergyScore())
    x = np.random.default_rng(2).normal(size=[4_000, 2]).astype("float32")
    model.compile(keras.optimizers.Adam(0.02))
    logs = model.fit(x, epochs=15, batch_size=200, verbose=0).history
    assert float(width) == pytest.approx(1.0, abs=0.05)
    assert logs["loss"][-1] < logs["loss"][0]
    assert len(model.evaluate(x, verbose=0)) == 2


def test_evaluation_draws_the_same_numbers_each_time():
    model = FlowModel(ImplicitDistribution(6, seed=1), objective=EnergyScore())
    model.compile("sgd")
    first, second = (model.evaluate(X, verbose=0) for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beta": 2}, "compares means alone"),
        ({"beta": 0}, "above 0 and below 2"),
        ({"draws": 1}, "at least 2, received 1"),
        ({"estimator": "v"}, "'fair' or 'band', received 'v'"),
        ({"patch": 2, "blocks": (1, 1)}, "blocks and patch are different"),
    ],
)
def test_what_is_no_score_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        EnergyScore(**options)


def test_draws_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"received \(1, 5, 6\)"):
        EnergyScore().score(X, DRAWS[:1])
    with pytest.raises(ValueError, match=r"received \(4, 5, 3\)"):
        EnergyScore().score(X, DRAWS[..., :3])


@pytest.mark.parametrize(
    ("distribution", "forced", "message"),
    [
        (lambda: coupling_flow(2), False, "coupling_flow cannot .* EnergyScore"),
        (lambda: Dequantized(coupling_flow(2)), False, "not reparameterized"),
        (lambda: coupling_flow(2), True, "none of its layers is a SemiAuto"),
        (
            lambda: semi_autoregressive_flow([1, 1]).copy(
                distribution=tfd.MultivariateNormalTriL(tf.zeros(2), tf.eye(2))
            ),
            True,
            "independent numbers",
        ),
    ],
)
def test_what_it_cannot_train_is_refused_by_name(distribution, forced, message):
    with pytest.raises(ValueError, match=message):
        FlowModel(distribution(), objective=EnergyScore(teacher_forcing=forced))


def test_whole_numbers_train_by_the_density_that_is_rounded():
    """Counts of mean 2 + c, sampled as counts; a median is a count too."""
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(3)
    c = rng.uniform(0, 2, size=[3_000, 1]).astype("float32")
    x = rng.poisson(2 + c).astype("float32")
    density = ImplicitDistribution(1, context_size=1, hidden_sizes=(32, 32), seed=1)
    model = FlowModel(Dequantized(density), objective=EnergyScore())
    schedule = keras.optimizers.schedules.CosineDecay(3e-3, 600)
    model.compile(keras.optimizers.Adam(schedule))
    model.fit(x, c, epochs=20, batch_size=100, verbose=0)
    at = np.array([[0.0], [2.0]], "float32")
    draws = model.sample(4_000, at, seed=1).numpy()[..., 0]
    np.testing.assert_array_equal(draws, np.floor(draws))
    np.testing.assert_allclose(draws.mean(axis=0), [2, 4], atol=0.3)
    np.testing.assert_allclose(draws.var(axis=0), [2, 4], rtol=0.3)
    found = model.quantiles([0.1, 0.5, 0.9], at, n=4_000, seed=1).numpy()[..., 0]
    expected = np.quantile(draws, [0.1, 0.5, 0.9], axis=0, method="nearest")
    np.testing.assert_array_equal(found, expected)
    first, second = (model.evaluate(x, c, verbose=0) for _ in "ab")
    assert first == second
