"""A model of draws alone: trained, saved, served."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfp_flows.distributions import ImplicitDistribution
from tfp_flows.models import FlowModel
from tfp_flows.objectives import EnergyScore


def rows(count=4_000):
    """y = c + (0.5 + c²) e, c uniform: a width that the context decides."""
    rng = np.random.default_rng(0)
    c = rng.uniform(-1, 1, size=[count, 1])
    return (100 * (c + (0.5 + c**2) * rng.normal(size=[count, 1]))), c


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    made = FlowModel(
        ImplicitDistribution(1, context_size=1, hidden_sizes=(32, 32), seed=1),
        objective=EnergyScore(),
    )
    x, context = rows()
    steps = 40 * -(-len(x) // 200)
    schedule = keras.optimizers.schedules.CosineDecay(1e-2, steps)
    made.compile(keras.optimizers.Adam(schedule))
    made.fit(x, context, epochs=40, batch_size=200, verbose=0)
    return made


def test_it_learns_a_spread_that_depends_on_the_context(model):
    draws = model.sample(4_000, context=[[-0.9], [0.0], [0.9]], seed=1)[..., 0]
    np.testing.assert_allclose(np.mean(draws, axis=0), [-90, 0, 90], atol=15)
    np.testing.assert_allclose(np.std(draws, axis=0), [131, 50, 131], rtol=0.2)


def test_it_says_that_it_has_no_density(model):
    assert not model.has_density
    with pytest.raises(NotImplementedError, match="known by its draws alone"):
        model.log_prob(np.zeros([2, 1]), np.zeros([2, 1]))
    with pytest.raises(ValueError, match="NegativeLogLikelihood.*no log-density"):
        FlowModel(ImplicitDistribution(1))


def test_it_is_saved_and_served(model, tmp_path):
    model.save(tmp_path / "flow.keras")
    again = keras.models.load_model(tmp_path / "flow.keras")
    assert again.objective == EnergyScore()
    context = np.linspace(-1, 1, 5)[:, None].astype("float32")
    expected = model.sample(3, context, seed=7)
    np.testing.assert_array_equal(again.sample(3, context, seed=7), expected)
    model.export(str(tmp_path / "served"), verbose=False)
    served = tf.saved_model.load(str(tmp_path / "served"))
    assert not hasattr(served, "log_prob")
    np.testing.assert_allclose(served.sample(3, 7, context), expected, rtol=1e-5)
    points = tf.constant([0.05, 0.5, 0.95])
    draws = model.sample(199, context, seed=7)
    expected = np.quantile(draws, points, axis=0, method="weibull")
    found = served.quantiles(points, 199, 7, context)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(
        model.quantiles(points, context, n=199, seed=7), expected, rtol=1e-4, atol=1e-3
    )


def test_without_a_context_draws_have_any_shape_and_double_precision():
    made = ImplicitDistribution(2, dtype="float64")
    assert made.sample(seed=1).shape == (2,)
    assert made.sample([3, 4], seed=1).shape == (3, 4, 2)
    assert made.sample(5, seed=1).dtype == tf.float64


def test_less_noise_than_columns_and_constant_columns_are_refused():
    with pytest.raises(ValueError, match="noise_size at least that, received 3 and 2"):
        ImplicitDistribution(3, noise_size=2)
    with pytest.raises(ValueError, match="column 1 is constant"):
        ImplicitDistribution(2).initialize(np.array([[0.0, 1.0], [1.0, 1.0]]))


def test_blocks_are_drawn_one_after_another_by_noise_of_their_own():
    """x₂ = x₁ + noise: its own noise, or draws would go along less than rows do."""
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(1)
    x = rng.multivariate_normal([5, 0], [[1, 0.8], [0.8, 1]], 4_000).astype("float32")
    density = ImplicitDistribution(2, block_sizes=[1, 1], hidden_sizes=(32,), seed=1)
    objective = EnergyScore(draws=8, teacher_forcing=True)
    model = FlowModel(density, objective=objective)
    schedule = keras.optimizers.schedules.CosineDecay(1e-2, 300)
    model.compile(keras.optimizers.Adam(schedule))
    model.fit(x, epochs=15, batch_size=200, verbose=0)
    draws = model.sample(20_000, seed=2).numpy()
    np.testing.assert_allclose(draws.mean(axis=0), [5, 0], atol=0.1)
    np.testing.assert_allclose(np.cov(draws.T), [[1, 0.8], [0.8, 1]], atol=0.15)


def test_of_a_block_only_those_before_it_and_its_own_noise_are_seen():
    sizes = (2, 1, 2)
    made = ImplicitDistribution(
        5, block_sizes=sizes, hidden_sizes=(8, 8), activation="tanh", seed=1
    )
    last = made.network.output_layer.kernel
    last.assign(np.random.default_rng(0).normal(size=last.shape))
    x = tf.constant(np.random.default_rng(1).normal(size=[1, 5]), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(x)
        draw = made.conditionals(x, 1, (1, 2))[1][0]
    slopes = tape.jacobian(draw, x)[0, :, 0].numpy()
    block_of = np.repeat(np.arange(3), sizes)
    before = block_of[:, np.newaxis] > block_of
    assert np.all(slopes[~before] == 0)
    assert np.all(slopes[before] != 0)


def test_blocks_that_are_not_the_columns_are_refused():
    with pytest.raises(ValueError, match=r"with sum 3, received \(1, 1\)"):
        ImplicitDistribution(3, block_sizes=[1, 1])
