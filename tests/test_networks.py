"""Laws over the table of networks, and what is peculiar to the masked one."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.cases.case import parametrize
from tests.cases.networks import CASES
from tfp_flows.networks import MLP, MaskedAutoregressiveNetwork


def randomize(network, seed=0):
    rng = np.random.default_rng(seed)
    for weight in network.trainable_weights:
        weight.assign(rng.normal(size=weight.shape))


def call(case, network, rows=4):
    context = case.context(rows)
    context = None if context is None else tf.constant(context)
    return network(tf.constant(case.points(rows)), context)


@pytest.mark.parametrize(**parametrize(CASES))
def test_is_built_at_construction_and_starts_at_zero(case):
    network = case.make()
    assert network.weights
    count = len(network.weights)
    output = call(case, network)
    assert len(network.weights) == count
    assert output.dtype == tf.float64
    np.testing.assert_array_equal(output, 0)


@pytest.mark.parametrize(**parametrize(CASES))
def test_config_round_trip(case):
    network = case.make()
    randomize(network)
    data = keras.saving.serialize_keras_object(network)
    copy = keras.saving.deserialize_keras_object(data)
    copy.set_weights(network.get_weights())
    np.testing.assert_array_equal(call(case, network), call(case, copy))


@pytest.mark.parametrize(**parametrize(CASES))
def test_same_seed_same_weights(case):
    for first, second in zip(case.make().weights, case.make().weights, strict=True):
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(**parametrize(CASES))
def test_batch_axes(case):
    network = case.make()
    randomize(network)
    flat = call(case, network, rows=6)
    context = case.context(6)
    x = tf.reshape(case.points(6), [2, 3, *case.event_shape])
    context = None if context is None else tf.reshape(context, [2, 3, -1])
    nested = network(x, context)
    np.testing.assert_allclose(
        tf.reshape(nested, flat.shape), flat, rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize("context_size", [None, 2])
@pytest.mark.parametrize("hidden_sizes", [(), (5,), (7, 11)])
def test_masked_network_is_autoregressive(context_size, hidden_sizes):
    """∂ parameters of feature i / ∂ xⱼ = 0 exactly for j ≥ i, and not for j < i."""
    network = MaskedAutoregressiveNetwork(
        4,
        hidden_sizes=hidden_sizes,
        context_size=context_size,
        num_parameters=2,
        activation="tanh",
        dtype="float64",
    )
    randomize(network)
    x = tf.constant(np.random.default_rng(0).normal(size=[3, 4]))
    context = None if context_size is None else tf.ones([3, context_size], x.dtype)
    with tf.GradientTape() as tape:
        tape.watch(x)
        output = network(x, context)
    sensitivity = np.abs(tape.batch_jacobian(output, x)).sum(axis=(0, 1))
    for feature in range(4):
        np.testing.assert_array_equal(sensitivity[feature, feature:], 0)
        assert np.all(sensitivity[feature, :feature] > 0)


def test_context_reaches_the_first_feature():
    network = MaskedAutoregressiveNetwork(
        2, context_size=1, hidden_sizes=(4, 4), activation="tanh", dtype="float64"
    )
    randomize(network)
    x = tf.zeros([1, 2], tf.float64)
    here, there = (network(x, tf.constant([[c]], tf.float64)) for c in (0.3, 2.0))
    assert abs(float(here[0, 0, 0] - there[0, 0, 0])) > 1e-6


@pytest.mark.parametrize("make", [MLP, MaskedAutoregressiveNetwork])
def test_activation_that_mixes_units_is_refused(make):
    with pytest.raises(ValueError, match="each unit by itself.*received 'softmax'"):
        make(2, **({"output_size": 1} if make is MLP else {}), activation="softmax")


def test_wrong_context_is_refused_by_name():
    with pytest.raises(ValueError, match="no context_size"):
        MLP(2, 2, name="net")(tf.zeros([1, 2]), tf.zeros([1, 1]))
    with pytest.raises(ValueError, match="conditions on 3"):
        MLP(2, 2, context_size=3)(tf.zeros([1, 2]))
    with pytest.raises(ValueError, match="must have 3 features"):
        MLP(2, 2, context_size=3)(tf.zeros([1, 2]), tf.zeros([1, 1]))
