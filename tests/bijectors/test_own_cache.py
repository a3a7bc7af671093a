"""Bijectors of a model remember their last passes for themselves."""

import copy
import gc
import pickle
import weakref

import numpy as np
import pytest
import tensorflow as tf

from tfp_flows import architectures
from tfp_flows.models import FlowModel

X = np.random.default_rng(0).normal(size=[3, 2]).astype("float32")


def flow():
    return architectures.coupling_flow(
        2, num_layers=1, hidden_sizes=(4,), transform="affine", seed=1
    )


def test_a_model_that_was_traced_is_let_go():
    model = FlowModel(flow())
    traced = tf.function(model.log_prob).get_concrete_function(tf.constant(X))
    held = weakref.ref(model.distribution), weakref.ref(traced.graph)
    del model, traced
    gc.collect()
    assert held[0]() is None
    assert held[1]() is None


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda whole: pickle.loads(pickle.dumps(whole))]
)
def test_a_copy_has_a_memory_of_its_own(copied):
    distribution = FlowModel(flow()).distribution
    expected = distribution.log_prob(X)
    other = copied(distribution)
    np.testing.assert_array_equal(other.log_prob(X), expected)
    assert other.bijector.bijector._cache.bijector is other.bijector.bijector


def test_a_pass_is_found_again():
    """The way back of what was just computed is not computed."""
    bijector = FlowModel(flow()).distribution.bijector
    x = tf.constant(X)
    assert bijector.inverse(bijector.forward(x)) is x
