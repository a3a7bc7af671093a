"""Keras variables that stand for variables of TensorFlow."""

import keras
import pytest
import tensorflow as tf

from tfp_flows.models.bridge.tracking import adopt


def test_an_adopted_variable_shares_its_storage():
    variable = tf.Variable([1.0, 2.0])
    adopted = adopt(variable)
    variable.assign([3.0, 4.0])
    assert adopted.value is variable
    assert adopted.numpy().tolist() == [3.0, 4.0]


def test_a_keras_that_copies_is_refused(monkeypatch):
    class Copy(keras.Variable):
        def __init__(self, initializer, **arguments):
            super().__init__(initializer.numpy(), **arguments)

    monkeypatch.setattr(keras, "Variable", Copy)
    with pytest.raises(ImportError, match="3.10 or newer.* received .*pip install"):
        adopt(tf.Variable(1.0))


def test_a_scope_of_less_precision_does_not_copy():
    variable = tf.Variable([1.0, 2.0])

    class Adopting(keras.layers.Layer):
        def call(self, x):
            assert adopt(variable).value is variable
            return x

    Adopting(dtype="mixed_bfloat16")(tf.zeros([1]))
