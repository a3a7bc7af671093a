"""What is inside a distribution, asked of flows, gridded flows and mixtures."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

from tfp_flows.distributions import BoostedMixture, Dequantized, structure

STEP = [1.0, 0.0, 0.25]


def flow(scale=1.0):
    normal = tfd.MultivariateNormalDiag(tf.zeros(3), tf.ones(3))
    return tfd.TransformedDistribution(normal, tfb.Scale(scale))


def gridded(step=STEP, num_samples=4):
    return Dequantized(flow(), step, num_samples=num_samples)


def test_flow_is_its_own_and_continuous():
    plain = flow()
    assert structure.components(plain) == ()
    assert structure.flow_of(plain) is plain
    assert not structure.is_gridded(plain)
    assert structure.noise_points(plain) == 1
    np.testing.assert_array_equal(structure.grid_step(plain), np.zeros(3))
    x = tf.constant([[0.5, 1.5, -2.5]])
    assert structure.dequantize(plain, x) is x
    assert structure.quantize(plain, x) is x


def test_gridded_flow_has_one_inside():
    whole = gridded()
    assert structure.components(whole) == ()
    assert structure.flow_of(whole) is whole.distribution
    assert structure.is_gridded(whole)
    assert structure.noise_points(whole) == 4
    step = structure.grid_step(whole)
    assert step.dtype == np.float64
    np.testing.assert_array_equal(step, STEP)
    x = tf.constant([[3.0, 0.7, 0.5], [-2.0, 0.1, 0.75]])
    noisy = structure.dequantize(whole, x)
    assert (noisy.numpy() != x.numpy()).tolist() == [[True, False, True]] * 2
    np.testing.assert_array_equal(structure.quantize(whole, noisy), x)


def test_step_has_the_shape_of_an_image():
    image = tfd.Independent(tfd.Normal(tf.zeros([2, 2, 1]), 1.0), 3)
    assert structure.grid_step(image).shape == (2, 2, 1)
    np.testing.assert_array_equal(
        structure.grid_step(Dequantized(image)), np.ones([2, 2, 1])
    )


def test_mixture_answers_for_its_components():
    mixture = BoostedMixture([gridded(), gridded(num_samples=16)])
    assert structure.components(mixture) == mixture.components
    assert structure.flow_of(mixture) is mixture
    assert structure.is_gridded(mixture)
    assert structure.noise_points(mixture) == 16
    np.testing.assert_array_equal(structure.grid_step(mixture), STEP)
    assert not structure.is_gridded(BoostedMixture([flow(), flow(2.0)]))


def test_mixture_of_two_grids_has_no_step():
    mixture = BoostedMixture([gridded(), gridded(step=1.0)])
    with pytest.raises(ValueError, match="one grid"):
        structure.grid_step(mixture)
