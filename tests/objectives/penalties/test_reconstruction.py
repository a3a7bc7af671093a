"""The reconstruction penalty against its formula, and where its gradient goes."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from tests.evaluations import evaluation_of
from tests.reference.self_normalizing import reconstruction
from tests.weights import perturb
from tfp_flows import ops
from tfp_flows.bijectors import (
    SelfNormalizingConv2D,
    SelfNormalizingDense,
    SmoothLeakyReLU,
)
from tfp_flows.objectives import Reconstruction

tfb = tfp.bijectors
D, SEED = 4, tf.constant([0, 7])


def dense(index=0, **arguments):
    arguments = {"dtype": "float64", "name": f"dense_{index}", **arguments}
    layer = SelfNormalizingDense(D, **arguments)
    perturb(layer, 0.2, seed=index)
    return layer


def flow():
    activation = SmoothLeakyReLU(0.3, dtype="float64")
    first, second = dense(0), dense(1)
    return tfb.Chain([second, activation, first]), first, second


def data(n=9):
    return tf.constant(np.random.default_rng(3).normal(size=[n, D]))


def errors(penalty, bijector, x):
    """Each Eₖ by name."""
    return penalty(evaluation_of(bijector, x), seed=SEED, training=True).metrics


def error_and_gradients(penalty, layer, x, bijector=None):
    with tf.GradientTape() as tape:
        terms = errors(penalty, layer if bijector is None else bijector, x)
        value = terms[f"reconstruction_{layer.name}"]
    in_kernel, in_transposed = tape.gradient(
        value, [layer.kernel, layer.inverse_transposed]
    )
    return value, in_kernel, tf.transpose(in_transposed)


def inverse_error(points, layer, x):
    return error_and_gradients(Reconstruction(points=points, trains="both"), layer, x)


def probes(n, index=0):
    seed = tf.random.fold_in(SEED, index)
    return tf.random.stateless_normal([n, D], seed, dtype=tf.float64).numpy()


@pytest.mark.parametrize("points", ["data", "probes"])
def test_both_weights_get_the_gradients_of_the_paper(points):
    layer, x = dense(), data()
    penalty = Reconstruction(points=points, trains="both", num_rows=5, num_probes=5)
    found = error_and_gradients(penalty, layer, x)
    given = x.numpy()[:5] if points == "data" else probes(5)
    expected = reconstruction(layer.kernel.numpy(), layer.inverse_kernel.numpy(), given)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("points", ["data", "probes"])
@pytest.mark.parametrize("symmetric", [False, True])
def test_the_inverse_alone_is_trained(points, symmetric):
    layer, x = dense(), data()
    options = {"points": points, "symmetric": symmetric}
    with tf.GradientTape() as tape:
        penalty = Reconstruction(trains="inverse", **options)
        (value,) = errors(penalty, layer, x).values()
    in_kernel, in_transposed = tape.gradient(
        value, [layer.kernel, layer.inverse_transposed]
    )
    expected = error_and_gradients(Reconstruction(trains="both", **options), layer, x)
    assert in_kernel is None
    assert tf.reduce_any(expected[1] != 0)
    np.testing.assert_allclose(value, expected[0])
    np.testing.assert_allclose(tf.transpose(in_transposed), expected[2])


def test_symmetric_is_the_average_over_both_orders():
    layer, x = dense(), data()
    found = error_and_gradients(
        Reconstruction(points="data", trains="both", symmetric=True), layer, x
    )
    w, r = layer.kernel.numpy(), layer.inverse_kernel.numpy()
    value, in_kernel, in_inverse = reconstruction(w, r, x.numpy())
    other, swapped_inverse, swapped_kernel = reconstruction(r, w, x.numpy())
    expected = (
        (value + other) / 2,
        (in_kernel + swapped_kernel) / 2,
        (in_inverse + swapped_inverse) / 2,
    )
    for one, two in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-10, atol=1e-12)


def test_each_term_sees_only_its_own_layer():
    chain, first, second = flow()
    x = data()
    penalty = Reconstruction(points="data", trains="both")
    for layer, other in ((first, second), (second, first)):
        with tf.GradientTape() as tape:
            tape.watch(x)
            terms = errors(penalty, chain, x)
            value = terms[f"reconstruction_{layer.name}"]
        foreign = [other.kernel, other.inverse_transposed, other.bias, layer.bias, x]
        assert tape.gradient(value, foreign) == [None] * 5
    h = chain.bijectors[1].forward(first.forward(tf.identity(x)))
    expected = reconstruction(
        second.kernel.numpy(), second.inverse_kernel.numpy(), h.numpy()
    )
    found = error_and_gradients(penalty, second, x, chain)
    for one, two in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-10, atol=1e-12)


def test_probes_differ_from_layer_to_layer_and_ignore_the_data():
    chain, first, second = flow()
    penalty = Reconstruction(points="probes", num_probes=3)
    terms = errors(penalty, chain, data())
    for index, layer in enumerate((first, second)):
        w, r = layer.kernel.numpy(), layer.inverse_kernel.numpy()
        expected, _, _ = reconstruction(w, r, probes(3, index))
        np.testing.assert_allclose(terms[f"reconstruction_{layer.name}"], expected)
    again = errors(penalty, chain, 100 * data(2))
    assert {k: float(v) for k, v in terms.items()} == {
        k: float(v) for k, v in again.items()
    }


def test_probes_estimate_the_squared_distance_without_bias():
    layer = dense()
    w, r = layer.kernel.numpy(), layer.inverse_kernel.numpy()
    distance = r @ w - np.eye(D)
    expected = np.sum(distance**2)
    n = 200_000
    penalty = Reconstruction(points="probes", num_probes=n)
    (found,) = errors(penalty, layer, data()).values()
    # Var ‖A ε‖² = 2 ‖AᵀA‖²: four standard errors.
    standard_error = np.sqrt(2 * np.sum((distance.T @ distance) ** 2) / n)
    assert abs(float(found) - expected) < 4 * standard_error


def test_both_kinds_of_points_add_up():
    layer, x = dense(), data()
    found = inverse_error("both", layer, x)
    parts = [inverse_error(points, layer, x) for points in ("data", "probes")]
    np.testing.assert_allclose(found[0], parts[0][0] + parts[1][0])
    np.testing.assert_allclose(found[2], parts[0][2] + parts[1][2])


@pytest.mark.parametrize("padding", ["zero", "circular"])
def test_convolutions(padding):
    shape = (5, 4, 2)
    layer = SelfNormalizingConv2D(shape, padding=padding, dtype="float64")
    perturb(layer, 0.1)
    x = tf.constant(np.random.default_rng(0).normal(size=[3, *shape]))
    (found,) = errors(Reconstruction(points="data"), layer, x).values()
    w, r = (
        ops.conv2d_matrix(kernel.value(), shape, padding).numpy()
        for kernel in (layer.kernel, layer.inverse_kernel)
    )
    expected, _, _ = reconstruction(w, r, x.numpy().reshape(3, -1))
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_pixels_count_as_points():
    layer = dense()
    images = tf.reshape(data(12), [2, 3, 2, D])
    penalty = Reconstruction(points="data")
    (found,) = errors(penalty, layer, images).values()
    (expected,) = errors(penalty, layer, data(12)).values()
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("gradient", ["exact", "relative"])
def test_layers_that_learn_no_inverse_have_no_term(gradient):
    assert errors(Reconstruction(), dense(gradient=gradient), data()) == {}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weight": 0.0}, "weight must be positive, received 0.0"),
        ({"weight": -1.0}, "weight must be positive"),
        ({"weight": float("nan")}, "weight must be positive"),
        ({"num_probes": 0}, "num_probes must be at least 1"),
        ({"points": "noise"}, "points must be one of .*'probes'.*, received 'noise'"),
        ({"trains": "kernel"}, "trains must be one of 'inverse', 'both'"),
    ],
)
def test_refusals(arguments, message):
    with pytest.raises(ValueError, match=message):
        Reconstruction(**arguments)


def test_configuration_survives():
    penalty = Reconstruction(
        weight=3.0,
        points="data",
        num_rows=5,
        num_probes=7,
        trains="both",
        symmetric=True,
        tolerance=0.1,
        rate=0.01,
    )
    defaults = dataclasses.asdict(Reconstruction())
    assert all(value != defaults[k] for k, value in penalty.get_config().items())
    written = keras.saving.serialize_keras_object(penalty)
    assert keras.saving.deserialize_keras_object(written) == penalty


@pytest.mark.parametrize(("trains", "products"), [("inverse", 4), ("both", 6)])
def test_the_product_of_the_density_is_reused(trains, products):
    """W h and R W h for two layers; what trains W needs a product of its own."""
    bijector, _, _ = flow()
    penalty = Reconstruction(points="data", trains=trains)
    step = tf.function(lambda x: errors(penalty, bijector, x))
    graph = step.get_concrete_function(data()).graph
    found = [op for op in graph.get_operations() if op.type == "MatMul"]
    assert len(found) == products


def test_a_layer_that_is_walked_backwards_is_reconstructed_from_its_output():
    layer = dense()
    y = data()
    found = error_and_gradients(
        Reconstruction(points="data"), layer, y, tfb.Invert(layer)
    )[0]
    error = y - layer.multiply_inverse(layer.multiply(y, layer.kernel))
    expected = tf.reduce_mean(tf.reduce_sum(tf.square(error), axis=-1))
    np.testing.assert_allclose(found, expected, rtol=1e-10)
