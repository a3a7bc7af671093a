"""Who sees whom in blocks, and how often the network is asked."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.cases.bijectors import semi_autoregressive
from tests.weights import perturb
from tfp_flows import bijectors
from tfp_flows.architectures import semi_autoregressive_flow
from tfp_flows.models import FlowModel
from tfp_flows.networks import MaskedAutoregressiveNetwork

SMALL = {"hidden_sizes": (8,), "num_layers": 2, "seed": 1, "dtype": "float64"}
BLOCK_OF = np.array([0, 0, 1, 2, 2])


@pytest.fixture
def layer():
    made = semi_autoregressive(context_size=2)
    perturb(made, scale=0.3)
    return made


def test_a_block_sees_those_before_it_and_its_own_noise_alone(layer):
    rng = np.random.default_rng(0)
    x, context = tf.constant(rng.normal(size=[3, 5])), tf.constant(np.ones([3, 2]))
    z = tf.constant(rng.normal(size=[1, 3, 5]))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([x, z])
        draws = layer.conditionals(x, z, context)[0]
        columns = tf.unstack(draws, axis=1)
    of_rows = np.abs(tape.batch_jacobian(draws, x)).max(axis=0)
    of_noise = np.array(
        [np.abs(tape.gradient(column, z)[0]).max(axis=0) for column in columns]
    )
    before = BLOCK_OF[:, None] > BLOCK_OF
    own = BLOCK_OF[:, None] == BLOCK_OF
    # The first feature of a coupling passes as it is.
    assert np.all(of_rows[~before] == 0)
    assert np.all(of_rows[2, :2] > 0)
    assert np.all(of_rows[4, :3] > 0)
    assert np.all(of_noise[~own] == 0)
    assert np.all(np.diag(of_noise) > 0)


def test_draws_of_blocks_are_samples_where_the_blocks_before_are_their_own(layer):
    """Teacher forcing and sampling are one law: x given its own blocks is x."""
    z = tf.constant(np.random.default_rng(1).normal(size=[4, 5]))
    context = tf.constant(np.ones([4, 2]))
    x = layer.inverse(z, context=context)
    forced = layer.conditionals(tf.identity(x), z[tf.newaxis], context)[0]
    np.testing.assert_allclose(forced, x, atol=1e-12)


def test_sampling_asks_the_network_once_a_block(layer, monkeypatch):
    calls, call = [], MaskedAutoregressiveNetwork.call

    def counted(self, *args):
        calls.append(self)
        return call(self, *args)

    monkeypatch.setattr(MaskedAutoregressiveNetwork, "call", counted)
    z, context = tf.ones([4, 5], tf.float64), tf.ones([4, 2], tf.float64)
    x = layer.inverse(z, context=context)
    assert len(calls) == 3
    calls.clear()
    layer.forward(tf.identity(x), context=context)
    assert len(calls) == 1


def test_one_block_has_no_condition_and_blocks_of_one_are_autoregressive():
    for sizes, lower in (([3], False), ([1, 1, 1], True)):
        flow = semi_autoregressive_flow(sizes, **SMALL)
        perturb(flow, scale=0.3)
        x = tf.constant(np.random.default_rng(0).normal(size=[2, 3]))
        with tf.GradientTape() as tape:
            tape.watch(x)
            z = flow.bijector.inverse(x)
        jacobian = tape.batch_jacobian(z, x).numpy()
        assert np.all(np.triu(jacobian, 1) == 0) == lower
        log_det = flow.bijector.inverse_log_det_jacobian(tf.identity(x), 1)
        np.testing.assert_allclose(np.linalg.slogdet(jacobian)[1], log_det)


def test_it_is_saved_and_gives_the_noise_of_a_row(tmp_path):
    model = FlowModel(semi_autoregressive_flow([2, 1, 2], context_size=1, **SMALL))
    perturb(model.distribution, scale=0.3)
    model.save(tmp_path / "flow.keras")
    again = keras.models.load_model(tmp_path / "flow.keras")
    x, context = np.random.default_rng(0).normal(size=[6, 5]), np.ones([6, 1])
    np.testing.assert_array_equal(
        again.log_prob(x, context), model.log_prob(x, context)
    )
    z = again.inverse(x, context)
    np.testing.assert_allclose(again.forward(z, context), x, atol=1e-6)


def test_transforms_that_do_not_fit_the_blocks_are_refused():
    part = bijectors.Coupling(2, context_size=4)
    with pytest.raises(ValueError, match=r"each block size of \(2, 1\), received 1"):
        bijectors.SemiAutoregressive([2, 1], [part], num_features=4)
    with pytest.raises(ValueError, match=r"with context_size \[4\]"):
        bijectors.SemiAutoregressive([2, 2], [part], num_features=5)
