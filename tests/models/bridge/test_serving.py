"""What is served takes what the model takes."""

import numpy as np
import pytest
import tensorflow as tf

from tfp_flows import ode
from tfp_flows.architectures import continuous_flow, coupling_flow
from tfp_flows.models import FlowModel


def test_seeds_are_those_of_the_model_and_nothing_is_printed(tmp_path, capfd):
    flow = coupling_flow(2, context_size=1, num_layers=1, hidden_sizes=(4,))
    model, context = FlowModel(flow), np.ones([3, 1], "float32")
    capfd.readouterr()
    model.export(str(tmp_path / "served"))
    assert capfd.readouterr().out == ""
    served = tf.saved_model.load(str(tmp_path / "served"))
    for seed in (3, -3, 2**31 - 1, [5, 6]):
        drawn = served.sample(4, seed=seed, context=context)
        expected = model.sample(4, context, seed=seed)
        np.testing.assert_allclose(drawn, expected, atol=1e-6)
    with pytest.raises(tf.errors.InvalidArgumentError):
        served.sample(4, seed=[1, 2, 3], context=context)


def test_a_served_continuous_flow_has_no_gradient(tmp_path):
    solver = ode.Solver("rk4", ode.FixedSteps(2))
    model = FlowModel(continuous_flow(2, hidden_sizes=(4,), solver=solver))
    model.export(str(tmp_path / "served"))
    served, x = tf.saved_model.load(str(tmp_path / "served")), tf.ones([3, 2])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        found = {name: getattr(served, name)(x) for name in ("log_prob", "inverse")}
        found["calls"] = served.log_prob_with_calls(x)
    np.testing.assert_allclose(found["log_prob"], model.log_prob(x), rtol=1e-6)
    assert all(tape.gradient(value, x) is None for value in found.values())
