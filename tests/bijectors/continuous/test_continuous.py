"""The continuous layer against closed forms, and its failures."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.linalg import expm

from tfp_flows.bijectors import Continuous, ExactDivergence, HutchinsonDivergence
from tfp_flows.networks import VelocityMLP
from tfp_flows.ode import AdaptiveSteps, FixedSteps, Solver

RNG = np.random.default_rng(0)
A = RNG.normal(size=(3, 3))
X = tf.constant(RNG.normal(size=(5, 3)))
FIXED = Solver("rk4", FixedSteps(30))
SEED = tf.constant([1, 2])


class Field(keras.layers.Layer):
    """A velocity without a divergence of its own."""

    def __init__(self, function, event_shape=(3,)):
        super().__init__(dtype="float64")
        self.function, self.event_shape = function, event_shape
        self.built = True

    def call(self, x, context=None, t=0.0):
        return self.function(x, t)


def linear(**options):
    return Continuous(Field(lambda x, t: x @ A.T), end_time=0.7, **options)


def randomized(network):
    for weight in network.trainable_weights:
        weight.assign(np.random.default_rng(3).normal(size=weight.shape) * 0.4)
    return network


def exact_trace(network, x, context=None, t=0.3):
    with tf.GradientTape() as tape:
        tape.watch(x)
        v = network(x, context, t=t)
    return tf.linalg.trace(tape.batch_jacobian(v, x))


@pytest.mark.parametrize("hidden_sizes", [(), (5,), (5, 4), (5, 4, 6), (5, 4, 6, 3)])
@pytest.mark.parametrize("gated", [False, True])
def test_divergence_of_the_network_is_the_trace(hidden_sizes, gated):
    options = {"hidden_sizes": hidden_sizes, "gated": gated, "dtype": "float64"}
    network = randomized(VelocityMLP(3, context_size=2, **options))
    context = tf.constant(RNG.normal(size=(5, 2)))
    velocity, divergence = network.with_divergence(X, context, t=0.3)
    np.testing.assert_allclose(velocity, network(X, context, t=0.3), rtol=1e-12)
    expected = exact_trace(network, X, context)
    np.testing.assert_allclose(divergence, expected, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("chunk_size", [None, 1, 2])
def test_divergence_without_a_closed_form(chunk_size):
    network = Field(lambda x, t: tf.sin(x @ A.T) * (1 + t))
    t = tf.constant(RNG.uniform(size=(5, 1)))
    found = ExactDivergence(chunk_size)(network, X, None, t, None)[1]
    expected = exact_trace(network, X, t=t)
    np.testing.assert_allclose(found[:, 0], expected, rtol=1e-12)


@pytest.mark.parametrize("gaussian", [False, True])
def test_estimates_are_unbiased_with_the_variance_of_the_formula(gaussian):
    network = Field(lambda x, t: x @ A.T)
    divergence = HutchinsonDivergence(20_000, gaussian=gaussian)
    x = X[:1]
    noise = divergence.noise(x, SEED)
    # All probes at once, as rows: the field does not depend on where.
    rows = noise[0]
    one = HutchinsonDivergence(1, gaussian=gaussian)
    found = one(network, rows, None, 0.0, rows[:, tf.newaxis])[1].numpy()[:, 0]
    symmetric = (A + A.T) / 2
    variance = 2 * (symmetric**2).sum()
    if not gaussian:
        variance -= 2 * (np.diag(symmetric) ** 2).sum()
    assert abs(found.mean() - np.trace(A)) < 4 * np.sqrt(variance / len(found))
    assert found.var() == pytest.approx(variance, rel=0.1)
    np.testing.assert_array_equal(noise, divergence.noise(x, SEED))


def test_an_estimate_needs_a_seed_and_gives_its_error():
    layer = linear(divergence=HutchinsonDivergence(64), solver=FIXED)
    with pytest.raises(ValueError, match="without a seed"):
        layer.forward_log_det_jacobian(X)
    log_det, error = layer.log_det_with_error(X, seed=SEED)
    assert np.all(np.abs(log_det - 0.7 * np.trace(A)) < 5 * error)
    assert np.all(error > 0)


def test_a_linear_field_is_its_matrix_exponential():
    layer = linear(solver=Solver(steps=AdaptiveSteps(1e-9, 1e-9)))
    y = layer.forward(X)
    np.testing.assert_allclose(y, X @ expm(0.7 * A).T, rtol=1e-7)
    log_det = layer.forward_log_det_jacobian(X)
    np.testing.assert_allclose(log_det, np.full(5, 0.7 * np.trace(A)), rtol=1e-7)
    np.testing.assert_allclose(layer.inverse(tf.identity(y)), X, rtol=1e-6)


def test_samples_integrate_no_divergence():
    calls = []

    class Counted(VelocityMLP):
        def with_divergence(self, x, context=None, t=0.0):
            calls.append(1)
            return super().with_divergence(x, context, t)

    layer = Continuous(Counted(3, hidden_sizes=(4,), dtype="float64"), solver=FIXED)
    layer.inverse(X)
    assert not calls
    layer.inverse_log_det_jacobian(tf.identity(X))
    assert calls


def test_a_row_that_fails_is_nan_with_one_warning():
    layer = Continuous(Field(lambda x, t: x**2))
    x = tf.constant([[0.2, 0.1, 0.3], [4.0, 0.1, 0.2]], tf.float64)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        log_det = layer.forward_log_det_jacobian(x).numpy()
    (warning,) = [w for w in seen if "rows of an ODE" in str(w.message)]
    assert "the first is row 1" in str(warning.message)
    assert np.isfinite(log_det).tolist() == [True, False]
    inverse = 1 / (1 - x[0])
    np.testing.assert_allclose(log_det[0], 2 * np.log(inverse).sum(), rtol=1e-4)


def test_a_step_of_training_shares_its_steps():
    layer = Continuous(Field(lambda x, t: tf.sin(9 * x)))
    x = tf.constant([[1e-3] * 3, [0.3] * 3], tf.float64)
    calls = {
        training: layer.path(tf.identity(x), training=training).statistics.calls.numpy()
        for training in (False, True)
    }
    assert calls[True][0] == calls[True][1]
    assert calls[False][0] != calls[False][1]


@pytest.mark.parametrize("end_time", [0.0, -1.0, float("nan")])
def test_time_runs_from_data_to_base(end_time):
    with pytest.raises(ValueError, match="end_time: expected a positive number"):
        Continuous(VelocityMLP(2), end_time=end_time)


def test_a_velocity_of_the_wrong_shape_is_refused():
    layer = Continuous(Field(lambda x, t: x[:, :2]), solver=FIXED)
    with pytest.raises(ValueError, match="velocity: expected shape"):
        layer.inverse(X)
