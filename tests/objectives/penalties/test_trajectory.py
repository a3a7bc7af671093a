"""What polynomials cannot explain of a path, and what penalties leave alone."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfp_flows.architectures import assembly, continuous_flow
from tfp_flows.models import FlowModel
from tfp_flows.objectives import (
    FlowMatching,
    KineticEnergy,
    RandomEndTime,
    TrajectoryPolynomial,
    polynomial_residual,
)

X = np.random.default_rng(0).normal(size=(64, 2)).astype("float32")


def residual(times, power, degree):
    times = np.asarray(times)
    states = tf.constant(times[:, None, None] ** power)
    return float(polynomial_residual(tf.constant(times), states, degree))


def test_a_parabola_at_thirds():
    assert residual([0.0, 1 / 3, 2 / 3, 1.0], 2, 1) == pytest.approx(1 / 81)


@pytest.mark.parametrize(("power", "expected"), [(2, 0.008768), (3, 0.02010)])
def test_mean_over_random_times(power, expected):
    rng = np.random.default_rng(1)
    times = np.sort(rng.uniform(size=(4_000, 2)), axis=1)
    found = [residual([0.0, *pair, 1.0], power, 1) for pair in times]
    assert np.mean(found) == pytest.approx(expected, rel=0.03)


def test_against_the_projector():
    rng = np.random.default_rng(2)
    times = np.array([0.0, *np.sort(rng.uniform(size=4)), 1.0])
    states = rng.normal(size=(6, 5, 3))
    for degree in range(5):
        basis = np.vander(times, degree + 1)
        projector = np.eye(6) - basis @ np.linalg.pinv(basis)
        expected = np.square(np.einsum("ij,jnd->ind", projector, states)).sum() / 30
        found = polynomial_residual(tf.constant(times), tf.constant(states), degree)
        np.testing.assert_allclose(found, expected, rtol=1e-9)
        for power in range(degree + 1):
            assert residual(times, power, degree) < 1e-20


def test_too_few_times_for_a_degree_are_refused():
    with pytest.raises(ValueError, match="at least the degree"):
        TrajectoryPolynomial(degree=3, num_times=2)
    with pytest.raises(ValueError, match="weight must be positive"):
        KineticEnergy(0.0)
    with pytest.raises(ValueError, match="spread"):
        RandomEndTime(1.5)


def curved_model(**options):
    flow = continuous_flow(
        2, hidden_sizes=(8, 8), base=assembly.standard_normal(2, "float32"), seed=1
    )
    model = FlowModel(flow, **options)
    model.adapt(X)
    rng = np.random.default_rng(3)
    for weight in model.trainable_variables:
        weight.assign(0.6 * rng.normal(size=weight.shape))
    model.compile(keras.optimizers.SGD(0.0))
    return model


def test_penalties_act_in_training_and_cost_no_call():
    plain, penalized = (
        curved_model(penalties=penalties)
        for penalties in ([], [TrajectoryPolynomial(), KineticEnergy()])
    )
    fits = [m.fit(X, batch_size=64, verbose=0).history for m in (plain, penalized)]
    assert fits[0]["loss"] == pytest.approx(fits[1]["loss"], rel=1e-6)
    assert fits[0]["calls"] == fits[1]["calls"]
    assert fits[1]["trajectory_polynomial"][0] > 0
    assert fits[1]["kinetic_energy"][0] > 0
    shown = [m.evaluate(X, verbose=0, return_dict=True) for m in (plain, penalized)]
    assert shown[0] == shown[1]


def test_matching_warms_a_likelihood_up():
    model = curved_model(objective=FlowMatching())
    model.compile(keras.optimizers.Adam(5e-3))
    before = model.evaluate(X, verbose=0, return_dict=True)
    logs = model.fit(X, batch_size=64, epochs=60, verbose=0).history
    assert "calls" not in logs
    after = model.evaluate(X, verbose=0, return_dict=True)
    assert after["negative_log_likelihood"] < before["negative_log_likelihood"] - 0.1
    on = FlowModel(model.distribution)
    on.compile(keras.optimizers.Adam(1e-3))
    assert on.evaluate(X, verbose=0, return_dict=True)["loss"] == pytest.approx(
        after["negative_log_likelihood"], abs=1e-5
    )
