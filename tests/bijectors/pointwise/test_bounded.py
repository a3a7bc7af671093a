"""A flow over bounded columns: its support, its density, and its way into a file."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from tfp_flows.architectures import coupling_flow
from tfp_flows.bijectors import Bounded
from tfp_flows.models import FlowModel

tfb, tfd = tfp.bijectors, tfp.distributions

LOW, HIGH = [0.0, -1.0, -np.inf, -np.inf], [np.inf, 1.0, 3.0, np.inf]


def bounded(flow, low, high):
    support = Bounded(low, high)
    chain = tfb.Chain([tfb.Invert(support), flow.bijector])
    return tfd.TransformedDistribution(flow.distribution, chain)


def rows(count):
    z = np.random.default_rng(0).normal(size=[count, 4])
    z[:, 0] += z[:, 1]
    return np.stack(
        [np.exp(z[:, 0]), np.tanh(z[:, 1]), 3 - np.exp(z[:, 2]), z[:, 3]], 1
    )


def test_trained_flow_keeps_its_support_through_files(tmp_path):
    x = rows(600).astype("float32")
    flow = coupling_flow(4, num_layers=1, hidden_sizes=[8], seed=0)
    model = FlowModel(bounded(flow, LOW, HIGH))
    model.compile("adam")
    model.fit(x, epochs=1, batch_size=100, verbose=0)
    drawn = model.sample(5_000, seed=1).numpy()
    assert (drawn > LOW).all()
    assert (drawn < HIGH).all()
    assert np.isfinite(model.log_prob(drawn)).all()
    model.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(again.log_prob(x), model.log_prob(x))
    model.export(str(tmp_path / "served"), verbose=False)
    served = tf.saved_model.load(str(tmp_path / "served"))
    np.testing.assert_allclose(
        served.log_prob(x), model.log_prob(x), rtol=1e-4, atol=1e-5
    )
    drawn = served.sample(5_000, seed=[0, 1]).numpy()
    assert ((drawn > LOW) & (drawn < HIGH)).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_no_density_beyond_the_ends(dtype):
    x = np.array([[1.0, 0.0, 0.0, 0.0]] * 8, dtype)
    x[np.arange(1, 7), [0, 0, 1, 1, 2, 2]] = [-1, -np.inf, 1.5, -2, 3.1, np.inf]
    x[7, 3] = np.nan
    base = tfd.MultivariateNormalDiag(np.zeros(4, dtype))
    flow = tfd.TransformedDistribution(
        base, tfb.Invert(Bounded(LOW, HIGH, dtype=dtype))
    )
    log_prob = flow.log_prob(x).numpy()
    assert np.isfinite(log_prob[0])
    assert (log_prob[1:7] == -np.inf).all()
    assert np.isnan(log_prob[7])
    ends = np.array([[0.0, -1.0, 3.0, 0.0], [1e-44, 1.0, 3.0, 0.0]], dtype)
    assert not np.isnan(flow.log_prob(ends)).any()
    far = flow.bijector.forward(np.array([[-1e4] * 4, [80.0] * 4], dtype)).numpy()
    assert ((far > LOW) & (far < HIGH)).all()


@pytest.mark.parametrize(("low", "high"), [(0.0, np.inf), (-np.inf, 2.0), (0.0, 2.0)])
def test_density_is_one_in_sum(low, high):
    base = tfd.Independent(tfd.Normal(np.zeros(1), 0.7), 1)
    flow = tfd.TransformedDistribution(
        base, tfb.Invert(Bounded(low, high, dtype="float64"))
    )
    grid = np.linspace(max(low, -40), min(high, 40), 400_001)[:, None]
    density = np.exp(flow.log_prob(grid))
    assert np.trapezoid(density, grid[:, 0]) == pytest.approx(1, abs=1e-4)


def test_ends_in_disorder_are_refused():
    with pytest.raises(ValueError, match=r"received \[0.0, 1.0\] and 1.0"):
        Bounded([0.0, 1.0], 1.0)
