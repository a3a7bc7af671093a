"""Random weights: laws that hold only at the start hold for no trained flow."""

import numpy as np
import tensorflow as tf


def perturb(module, scale=0.2, seed=5):
    """Adds normal noise to every trainable variable of a TFP object."""
    rng = np.random.default_rng(seed)
    for variable in module.trainable_variables:
        noise = scale * rng.normal(size=variable.shape)
        variable.assign_add(tf.cast(noise, variable.dtype))
