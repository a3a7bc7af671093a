"""The certificate of learned inverses, against the matrices of the layers."""

import numpy as np
import pytest
import tensorflow as tf

from tests.weights import perturb
from tfp_flows.bijectors import (
    ActNorm,
    SelfNormalizingConv2D,
    SelfNormalizingDense,
    inverse_certificate,
)

LAYERS = {
    "dense": lambda: SelfNormalizingDense(4, dtype="float64"),
    "convolution": lambda: SelfNormalizingConv2D((3, 3, 2), dtype="float64"),
}


def matrix(function, shape):
    """Returns the matrix of a linear map of points, column by column."""
    size = int(np.prod(shape))
    units = tf.reshape(tf.eye(size, dtype="float64"), [size, *shape])
    return np.reshape(function(units), [size, size]).T


def rows(layer):
    shape = layer.probe_shape
    return tf.constant(np.random.default_rng(0).normal(size=[20, *shape]))


@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
def test_norms_are_those_of_the_matrices(make):
    layer = make()
    perturb(layer, 0.03)
    kernel = tf.convert_to_tensor(layer.kernel)
    w = matrix(lambda x: layer.multiply(x, kernel), layer.probe_shape)
    r = matrix(layer.multiply_inverse, layer.probe_shape)
    (found,) = inverse_certificate(layer, rows(layer)).layers
    distance = np.linalg.norm(np.eye(len(w)) - r @ w, 2)
    assert 0.01 < distance < 1
    assert found.distance == pytest.approx(distance, rel=3e-3)
    bound = np.linalg.norm(r, 2) * distance / (1 - distance)
    assert found.gradient_error_bound == pytest.approx(bound, rel=1e-2)
    assert found.gradient_error_bound >= np.linalg.norm(r - np.linalg.inv(w), 2)
    log_det = np.linalg.slogdet(w)[1] + np.linalg.slogdet(r)[1]
    assert found.log_det_sum == pytest.approx(log_det, abs=1e-9)
    assert found.round_trip_errors["exact"] < 1e-12
    assert found.round_trip_errors["learned"] > 1e-3


def test_an_exact_inverse_has_no_distance():
    layer = SelfNormalizingDense(4, initial=2.0 * np.eye(4), dtype="float64")
    certificate = inverse_certificate(layer, rows(layer))
    assert certificate.layers[0].distance == 0
    assert certificate.layers[0].gradient_error_bound == 0
    assert layer.name in str(certificate)


def test_a_flow_without_learned_inverses_is_refused():
    with pytest.raises(ValueError, match="no layer with a learned inverse"):
        inverse_certificate(ActNorm(4), tf.zeros([2, 4]))
