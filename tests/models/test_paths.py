"""What a fixed number of steps costs in nats, and who says so."""

import warnings

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from tfp_flows import ode
from tfp_flows.architectures import assembly
from tfp_flows.bijectors import Continuous
from tfp_flows.distributions import Dequantized
from tfp_flows.models import FlowModel
from tfp_flows.networks import VelocityMLP
from tfp_flows.objectives import TrajectoryPolynomial

SLOPE = 0.8


def linear(solver):
    """dx/dt = a x to N(0, 1): n steps of Euler make y = (1 + a/n)ⁿ x."""
    network = VelocityMLP(1, hidden_sizes=(), dtype="float64")
    network.trainable_variables[0].assign([[SLOPE]])
    base = assembly.standard_normal(1, "float64")
    return FlowModel(
        assembly.flow(base, [Continuous(network, solver=solver)], "linear")
    )


def euler_log_prob(x, steps):
    return stats.norm.logpdf((1 + SLOPE / steps) ** steps * x) + SLOPE


@pytest.mark.parametrize("steps", [2, 8])
def test_the_error_of_fixed_steps_is_that_of_twice_as_many(steps, recwarn):
    model = linear(ode.Solver("euler", ode.FixedSteps(steps)))
    x = np.linspace(-2.0, 2.0, 6).reshape(2, 3)
    expected = np.abs(euler_log_prob(x, steps) - euler_log_prob(x, 2 * steps))
    found = model.log_prob_error(x[..., np.newaxis])
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    model.compile("adam")
    said = f"6 rows differ by up to {expected.max():.3g} nats"
    model.log_prob(x.reshape(6, 1))
    model.evaluate(x.reshape(6, 1), verbose=0)
    assert sum(said in str(one.message) for one in recwarn) == 2


def test_steps_that_suffice_are_not_talked_about():
    x = tf.constant([[0.5], [-1.0]], tf.float64)
    fixed = linear(ode.Solver("rk4", ode.FixedSteps(4)))
    adaptive = linear(ode.Solver())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fixed.log_prob(x).shape == adaptive.log_prob(x).shape == [2]
    assert 1e-9 < np.max(fixed.log_prob_error(x)) < 1e-3
    # A tenth of the tolerance of 1e-5.
    assert 0 < np.max(adaptive.log_prob_error(x)) < 1e-4


def test_integer_rows_tell_what_their_solves_cost_and_how_they_bend():
    flow = linear(ode.Solver("rk4", ode.FixedSteps(4))).distribution
    model = FlowModel(
        Dequantized(flow, num_samples=3), penalties=[TrajectoryPolynomial()]
    )
    model.compile("adam")
    x = np.array([[0.0], [1.0], [1.0]])
    logs = model.fit(x, epochs=1, verbose=0).history
    # States between the ends take the slope at the last one too.
    assert logs["calls"] == logs["most_calls"] == [17]
    assert logs["trajectory_polynomial"][0] > 1e-4
    found = model.evaluate(x, verbose=0, return_dict=True)
    assert found["calls"] == found["most_calls"] == 16
