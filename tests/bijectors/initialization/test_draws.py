"""A start without a seed follows Keras' global one."""

import keras
import numpy as np
import pytest

from tfp_flows import bijectors

RANDOM = {
    "Linear": lambda: bijectors.Linear(4, initial="rotation").matrix,
    "Permutation": lambda: bijectors.Permutation(50, order="random").order,
    "SelfNormalizingConv2D": lambda: (
        bijectors.SelfNormalizingConv2D((2, 2, 4), initial="rotation").kernel
    ),
    "SelfNormalizingDense": lambda: (
        bijectors.SelfNormalizingDense(4, initial="rotation").kernel
    ),
}


@pytest.mark.parametrize("name", RANDOM)
def test_a_start_without_a_seed_follows_the_global_one(name):
    found = []
    for seed in (3, 3, 4):
        keras.utils.set_random_seed(seed)
        found.append(np.asarray(RANDOM[name]()))
    np.testing.assert_array_equal(found[0], found[1])
    assert np.any(found[0] != found[2])
