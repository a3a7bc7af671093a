"""Classes and whole numbers lifted, and back."""

import numpy as np
import pytest
import tensorflow as tf

from tfp_flows.ops import argmax_lift, interval_lift, jacobian

U = tf.constant(3 * np.random.default_rng(0).normal(size=[50, 4]))
CLASSES = np.random.default_rng(1).integers(4, size=50)


@pytest.mark.parametrize(
    ("lift", "given", "back"),
    [
        (argmax_lift, np.eye(4)[CLASSES], lambda v: np.eye(4)[np.argmax(v, axis=-1)]),
        (interval_lift, np.repeat(CLASSES[:, None] - 2.0, 4, axis=1), np.floor),
    ],
)
def test_rounded_it_is_what_was_lifted_and_the_slope_is_the_jacobian(lift, given, back):
    v, log_det = lift(U, given)
    np.testing.assert_array_equal(back(v.numpy()), given)
    copies = np.tile(given, [4, 1])
    matrices = jacobian(lambda u: lift(u, copies)[0], U, 4)
    np.testing.assert_allclose(np.linalg.slogdet(matrices)[1], log_det, rtol=1e-10)
