"""Weights of models and of TFP objects: read, and moved away from their start."""

import keras
import numpy as np
import tensorflow as tf


def perturb(module, scale=0.2, seed=5):
    """Adds normal noise to every trainable variable of a TFP object."""
    rng = np.random.default_rng(seed)
    for variable in module.trainable_variables:
        noise = scale * rng.normal(size=variable.shape)
        variable.assign_add(tf.cast(noise, variable.dtype))


def values(variables):
    """Copies of the values; on a CPU an array may share the variable's memory."""
    return [keras.ops.convert_to_numpy(variable).copy() for variable in variables]
