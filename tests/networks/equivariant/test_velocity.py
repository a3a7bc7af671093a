"""The equivariant velocity: its group, its divergence and its size."""

import numpy as np
import pytest
import tensorflow as tf

from tfp_flows.bijectors import ExactDivergence
from tfp_flows.networks import EquivariantVelocity

RNG = np.random.default_rng(0)


def randomized(*shape, **options):
    network = EquivariantVelocity(*shape, hidden_size=8, **options)
    for weight in network.trainable_weights:
        weight.assign(np.random.default_rng(3).normal(size=weight.shape) * 0.4)
    return network


def positions(rows, *shape, dtype="float64"):
    return tf.constant(2 * RNG.normal(size=[rows, *shape]), dtype)


class WithoutDivergence:
    """The network's call alone."""

    def __init__(self, network):
        self.call = network.call

    def __call__(self, x, context=None, t=0.0):
        return self.call(x, context, t=t)


@pytest.mark.parametrize(("dtype", "error"), [("float32", 1e-5), ("float64", 1e-12)])
@pytest.mark.parametrize("shape", [(4, 2), (5, 3)])
def test_velocity_turns_shifts_and_permutes_with_the_particles(shape, dtype, error):
    network = randomized(*shape, dtype=dtype)
    x = positions(6, *shape, dtype=dtype)
    v = network(x, t=0.3).numpy()
    assert np.abs(v).max() > 0.1
    rotation = np.linalg.qr(RNG.normal(size=[shape[1]] * 2))[0].astype(dtype)
    mirror = np.diag(np.r_[-1, np.ones(shape[1] - 1)]).astype(dtype)
    for turn in (rotation, rotation @ mirror):
        order = RNG.permutation(shape[0])
        moved = (x.numpy() @ turn)[:, order] + np.arange(shape[1], dtype=dtype)
        found = network(moved, t=0.3) / np.abs(v).max()
        np.testing.assert_allclose(
            found, (v @ turn)[:, order] / np.abs(v).max(), rtol=0, atol=error
        )
    assert np.abs(v.sum(axis=1)).max() < 10 * error * np.abs(v).max()


@pytest.mark.parametrize("num_layers", [1, 2, 3, 4])
@pytest.mark.parametrize("attention", [True, False])
def test_divergence_is_the_trace(num_layers, attention):
    options = {"num_layers": num_layers, "attention": attention, "dtype": "float64"}
    network = randomized(4, 3, context_size=2, **options)
    x, context = positions(5, 4, 3), tf.constant(RNG.normal(size=[5, 2]))
    t = tf.constant(RNG.uniform(size=[5, 1, 1]))
    velocity, found = network.with_divergence(x, context, t=t)
    exact = ExactDivergence()
    expected = exact(WithoutDivergence(network), x, context, t, None)[1][:, 0]
    np.testing.assert_allclose(velocity, network(x, context, t=t), rtol=1e-12)
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_places_without_a_particle_neither_move_nor_act():
    network, small = (randomized(n, 2, num_layers=3, dtype="float64") for n in (5, 3))
    for target, source in zip(small.weights, network.weights, strict=True):
        target.assign(source)
    x, mask = positions(2, 5, 2), [[1, 1, 1, 0, 0]] * 2
    v, divergence = network.with_divergence(x, t=0.3, mask=mask)
    np.testing.assert_array_equal(v[:, 3:], 0)
    alone = small.with_divergence(x[:, :3], t=0.3)
    np.testing.assert_allclose(v[:, :3], alone[0], rtol=1e-12)
    np.testing.assert_allclose(divergence, alone[1], rtol=1e-12)


@pytest.mark.parametrize("num_layers", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_features_move_with_their_particles_and_zeros_are_no_particle(num_layers):
    options = {"num_layers": num_layers, "node_features": 2, "dtype": "float64"}
    network, small = (randomized(n, 3, **options) for n in (5, 3))
    # Small enough that no tanh is flat: a message has the slopes of both its ends.
    for index, (weight, copy) in enumerate(
        zip(network.weights, small.weights, strict=True)
    ):
        weight.assign(0.2 * np.random.default_rng(index).normal(size=weight.shape))
        copy.assign(weight)
    x, h = positions(4, 5, 3), RNG.normal(size=[4, 5, 2])
    h[:, 3:] = 0
    context = tf.constant(h.reshape(4, -1))
    v, divergence = network.with_divergence(x, context, t=0.3)
    np.testing.assert_array_equal(v[:, 3:], 0)
    exact = ExactDivergence()(WithoutDivergence(network), x, context, 0.3, None)[1]
    np.testing.assert_allclose(divergence, exact[:, 0], rtol=1e-10)
    alone = small.with_divergence(x[:, :3], h[:, :3].reshape(4, -1), t=0.3)
    np.testing.assert_allclose(v[:, :3], alone[0], rtol=1e-12)
    np.testing.assert_allclose(divergence, alone[1], rtol=1e-12)
    order = np.array([4, 2, 0, 1, 3])
    moved = network(x.numpy()[:, order], h[:, order].reshape(4, -1), t=0.3)
    np.testing.assert_allclose(moved, v.numpy()[:, order], rtol=1e-10, atol=1e-12)
    # Other kinds on the same places are another molecule.
    assert np.abs(v - network(x, h[:, order].reshape(4, -1), t=0.3)).max() > 1e-3


@pytest.mark.parametrize(
    ("width", "layers", "inputs", "published"),
    [(32, 3, 1, 22_468), (64, 6, 7, 176_461)],
)
def test_as_many_weights_as_the_published_network(width, layers, inputs, published):
    """Less those on which nothing depends when positions alone are moved."""
    network = EquivariantVelocity(
        4, 2, hidden_size=width, num_layers=layers, context_size=inputs - 1 or None
    )
    features_out = width * inputs + inputs
    last_update = (2 * width + 1) * width + (width + 1) * width
    count = sum(int(np.prod(w.shape)) for w in network.trainable_weights)
    assert count == published - features_out - last_update


def test_other_particles_are_refused():
    with pytest.raises(ValueError, match=r"positions of 4 particles in 2 dimensions"):
        EquivariantVelocity(4, 2)(tf.zeros([1, 5, 2]))
    with pytest.raises(ValueError, match=r"mask must be 1 .* received \[0.5, 1.0\]"):
        EquivariantVelocity(3, 2)(tf.zeros([1, 3, 2]), mask=[[1, 1, 0.5]])
    atoms = EquivariantVelocity(3, 2, node_features=2)
    with pytest.raises(ValueError, match="leave out mask"):
        atoms(tf.zeros([1, 3, 2]), tf.ones([1, 6]), mask=[[1, 1, 0]])
    with pytest.raises(ValueError, match="6 features in its last axis"):
        atoms(tf.zeros([1, 3, 2]), tf.ones([1, 5]))
    with pytest.raises(ValueError, match=r"leave out context_size, received 2 and 3"):
        EquivariantVelocity(3, 2, node_features=2, context_size=3)
    with pytest.raises(ValueError, match="num_particles must be at least 2"):
        EquivariantVelocity(1, 2)
