"""Graphs go with their models, and their gradients are found as long as they live."""

import gc

import numpy as np
import tensorflow as tf
from tensorflow.python.framework.func_graph import FuncGraph

from tfp_flows import architectures
from tfp_flows.models import FlowModel
from tfp_flows.ops.graphs import release_graphs

X = np.random.default_rng(0).normal(size=[32, 2]).astype("float32")


def graphs():
    gc.collect()
    return [one for one in gc.get_objects() if isinstance(one, FuncGraph)]


def test_a_model_that_was_trained_is_let_go():
    def trained():
        flow = architectures.coupling_flow(2, num_layers=1, hidden_sizes=(4,))
        model = FlowModel(flow)
        model.compile("sgd")
        model.fit(X, verbose=0)
        return model

    # What TensorFlow traces once in a process stays.
    trained()
    before = len(graphs())
    model = trained()
    assert len(graphs()) > before
    del model
    assert len(graphs()) == before


def test_gradients_are_those_of_before():
    """Of a function whose backward pass is made later, within a loop too."""
    flow = architectures.continuous_flow(2, hidden_sizes=(4,), seed=1)
    variables = flow.trainable_variables
    for variable in variables:
        variable.assign_add(0.1 * np.ones(variable.shape))

    def gradients(log_prob):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(log_prob(X))
        return tape.gradient(loss, variables)

    expected = gradients(tf.function(flow.log_prob))
    traced = tf.function(flow.log_prob)
    traced(X)
    release_graphs()
    for found, right in zip(gradients(traced), expected, strict=True):
        np.testing.assert_array_equal(found, right)
