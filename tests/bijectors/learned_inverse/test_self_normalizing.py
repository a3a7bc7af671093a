"""Layers with a learned inverse: kinds of inverse, refusals, stale values."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from tests.weights import perturb
from tfp_flows import bijectors, ops
from tfp_flows.bijectors import (
    ActNorm,
    MultiScale,
    SelfNormalizingConv2D,
    SelfNormalizingDense,
    SmoothLeakyReLU,
    Squeeze,
    layer_inputs,
    learned_inverses,
)

tfb = tfp.bijectors
D, IMAGE = 4, (4, 4, 2)


def dense(scale=0.05, **arguments):
    layer = SelfNormalizingDense(D, dtype="float64", **arguments)
    perturb(layer, scale)
    return layer


def convolution(scale=0.03, **arguments):
    layer = SelfNormalizingConv2D(IMAGE, dtype="float64", **arguments)
    perturb(layer, scale)
    return layer


LAYERS = {
    "dense": dense,
    "zero": lambda **arguments: convolution(padding="zero", **arguments),
    "circular": lambda **arguments: convolution(padding="circular", **arguments),
}
every_layer = pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)


def points(layer, n=6):
    shape = [n, *layer.probe_shape]
    return tf.constant(np.random.default_rng(0).normal(size=shape))


def round_trip_error(layer):
    x = points(layer)
    # A fresh tensor: the cache would return x itself.
    return float(tf.reduce_max(abs(layer.inverse(tf.identity(layer(x))) - x)))


@every_layer
def test_exact_and_refined_inverse_agree_and_the_learned_one_is_near(make):
    assert round_trip_error(make(inverse="exact")) < 1e-12
    assert round_trip_error(make(inverse="refined", tolerance=1e-10)) < 1e-8
    assert 1e-4 < round_trip_error(make(inverse="refined", tolerance=0.02)) < 0.2
    learned = make(inverse="learned")
    assert 1e-3 < round_trip_error(learned) < 1.5
    x = points(learned)
    expected = learned.multiply_inverse(learned(x) - learned.bias)
    np.testing.assert_allclose(learned.inverse(tf.identity(learned(x))), expected)


@every_layer
@pytest.mark.parametrize("inverse", ["exact", "refined"])
def test_gradients_of_the_inverse_by_finite_differences(make, inverse):
    layer = make(inverse=inverse, tolerance=1e-12)
    y = points(layer)

    def loss():
        return tf.reduce_sum(tf.sin(layer.inverse(tf.identity(y))))

    rng = np.random.default_rng(1)
    for variable in (layer.kernel, layer.bias):
        with tf.GradientTape() as tape:
            value = loss()
        gradient = tape.gradient(value, variable)
        before, step = tf.identity(variable), 1e-5 * rng.normal(size=variable.shape)
        values = []
        for shifted in (before + step, before - step):
            variable.assign(shifted)
            values.append(loss())
        variable.assign(before)
        expected = (values[0] - values[1]) / 2
        np.testing.assert_allclose(np.sum(gradient * step), expected, rtol=1e-5)


def test_a_refined_inverse_far_from_the_truth_raises():
    layer = SelfNormalizingDense(D, inverse="refined", dtype="float64")
    layer.inverse_transposed.assign(-layer.inverse_transposed)
    with pytest.raises(
        tf.errors.InvalidArgumentError, match="raise the reconstruction"
    ):
        layer.inverse(points(layer))


def test_the_exact_inverse_does_not_need_the_learned_one():
    layer = dense(inverse="exact")
    layer.inverse_transposed.assign(tf.zeros([D, D], tf.float64))
    assert round_trip_error(layer) < 1e-12


@every_layer
def test_log_det_is_that_of_the_matrix_and_either_weight_given_or_computed(make):
    layer = make()
    matrix = layer.kernel
    if matrix.shape.rank == 4:
        matrix = ops.conv2d_matrix(layer.kernel.value(), IMAGE, layer.padding)
    expected = np.linalg.slogdet(matrix)[1]
    x = points(layer)
    rank = x.shape.rank - 1
    np.testing.assert_allclose(layer.log_abs_det(), expected, rtol=1e-10)
    found = layer.forward_log_det_jacobian(x, rank)
    np.testing.assert_allclose(found, expected, rtol=1e-10)
    given = tf.constant(7.0, tf.float64)
    found = layer.forward_log_det_jacobian(tf.identity(x), rank, log_abs_det=given)
    assert float(found) == 7.0
    found = layer.inverse_log_det_jacobian(tf.identity(x), rank, log_abs_det=given)
    assert float(found) == -7.0


@every_layer
def test_log_det_of_the_inverse_and_its_gradient(make):
    layer = make()
    kernel = tf.convert_to_tensor(layer.inverse_kernel)
    matrix, gradient = kernel, tf.transpose(kernel)
    if kernel.shape.rank == 4:
        matrix = ops.conv2d_matrix(kernel, IMAGE, layer.padding)
        counts = ops.kernel_counts((3, 3), IMAGE, layer.padding)
        gradient = counts * ops.adjoint_kernel(kernel)
    expected = np.linalg.slogdet(matrix)[1]
    np.testing.assert_allclose(layer.log_abs_det_of_inverse(), expected, rtol=1e-10)
    np.testing.assert_array_equal(layer.log_abs_det_gradient(), gradient)


@every_layer
@pytest.mark.parametrize("inverse", ["exact", "refined", "learned"])
def test_a_weight_update_reaches_a_new_tensor(make, inverse):
    layer = make(inverse=inverse)
    x = points(layer)
    rank = x.shape.rank - 1
    before = layer(x), layer.inverse(x), layer.forward_log_det_jacobian(x, rank)
    layer.kernel.assign(2 * layer.kernel)
    name = "inverse_transposed" if make is dense else "inverse_kernel"
    getattr(layer, name).assign(0.5 * getattr(layer, name))
    fresh = tf.identity(x)
    doubled = 2 * (before[0] - layer.bias) + layer.bias
    np.testing.assert_allclose(layer(fresh), doubled, rtol=1e-10)
    np.testing.assert_allclose(layer.inverse(fresh), 0.5 * before[1], rtol=1e-10)
    found = layer.forward_log_det_jacobian(fresh, rank)
    size = np.prod(layer.probe_shape)
    np.testing.assert_allclose(found, before[2] + size * np.log(2), rtol=1e-10)


def test_starts_with_an_exact_inverse():
    rng = np.random.default_rng(0)
    matrix = np.eye(D) + 0.3 * rng.normal(size=[D, D])
    for initial in ("identity", "rotation", matrix):
        layer = SelfNormalizingDense(D, initial=initial, seed=1, dtype="float64")
        product = layer.inverse_kernel @ layer.kernel
        np.testing.assert_allclose(product, np.eye(D), atol=1e-12)
    for initial in ("identity", "rotation"):
        layer = SelfNormalizingConv2D(IMAGE, initial=initial, seed=1, dtype="float64")
        x = points(layer)
        back = layer.multiply_inverse(layer.multiply(x, layer.kernel))
        np.testing.assert_allclose(back, x, atol=1e-12)


def test_seeds_make_rotations_reproducible():
    one, same, other = (
        SelfNormalizingDense(D, initial="rotation", seed=s).kernel for s in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 0.1


def test_the_exact_twin_keeps_no_inverse():
    for layer in (dense(gradient="exact"), convolution(gradient="exact")):
        assert len(layer.trainable_variables) == 2
        assert learned_inverses(layer) == []
        assert not layer.supports_jit
    layer = dense(gradient="relative")
    assert len(layer.trainable_variables) == 2
    layer.refresh_inverse()
    product = layer.inverse_kernel @ layer.kernel
    np.testing.assert_allclose(product, np.eye(D), atol=1e-12)


def test_layers_map_pixel_by_pixel():
    layer = SelfNormalizingDense(2, initial="rotation", seed=0, dtype="float64")
    perturb(layer)
    kernel = tf.transpose(layer.kernel)[None, None]
    x = tf.constant(np.random.default_rng(0).normal(size=[3, *IMAGE]))
    expected = ops.conv2d(x, kernel) + layer.bias
    np.testing.assert_allclose(layer(x), expected, atol=1e-12)
    found = layer.forward_log_det_jacobian(x, 3)
    np.testing.assert_allclose(found, 16 * np.linalg.slogdet(layer.kernel)[1])


SINGULAR = np.ones([D, D])
DENSE_REFUSALS = [
    ({"gradient": "natural"}, "gradient must be one of .*'relative'.*'natural'"),
    ({"density": "both"}, "density must be one of"),
    ({"inverse": "newton"}, "inverse must be one of"),
    ({"gradient": "exact", "inverse": "learned"}, "keeps no approximate inverse"),
    ({"gradient": "exact", "inverse": "refined"}, "keeps no approximate inverse"),
    ({"gradient": "relative", "density": "mixture"}, "density of a learned inverse"),
    ({"gradient": "exact", "density": "mixture"}, "density of a learned inverse"),
    ({"initial": np.ones([D, 3])}, "square matrix .*no inverse and no density"),
    ({"initial": SINGULAR}, "condition number"),
    ({"initial": np.diag([1.0, 1.0, 1.0, 1e-9])}, "condition number 1.0e\\+09"),
    ({"initial": np.full([D, D], np.nan)}, "invertible matrix"),
    ({"initial": "orthogonal"}, "received 'orthogonal'"),
]
CONVOLUTION_REFUSALS = [
    ({"kernel_size": 2}, "kernel_size must be odd, received 2: .*padded on one side"),
    ({"kernel_size": (3, 4)}, "kernel_size must be odd"),
    ({"kernel_size": (3, 3, 3)}, "kernel_size"),
    ({"kernel_size": 9}, "reaches around"),
    ({"kernel_size": 5, "padding": "circular"}, "reaches around"),
    ({"strides": 2}, "strides must be 1, received 2: .*drops pixels"),
    ({"strides": (1, 2)}, "strides must be 1"),
    ({"filters": 3}, "filters must equal the 2 channels .*Squeeze"),
    ({"padding": "reflect"}, "padding must be"),
    ({"gradient": "relative"}, "exists for dense layers"),
    ({"gradient": "exact", "inverse": "learned"}, "keeps no approximate inverse"),
    ({"initial": np.ones([3, 3, 2, 3])}, "initial must be a kernel"),
    ({"initial": np.zeros([3, 3, 2, 2])}, "not all zero"),
    ({"initial": "dirac"}, "received 'dirac'"),
]


@pytest.mark.parametrize(("arguments", "message"), DENSE_REFUSALS)
def test_dense_refusals(arguments, message):
    with pytest.raises(ValueError, match=message):
        SelfNormalizingDense(D, **arguments)


@pytest.mark.parametrize(("arguments", "message"), CONVOLUTION_REFUSALS)
def test_convolution_refusals(arguments, message):
    with pytest.raises(ValueError, match=message):
        SelfNormalizingConv2D(IMAGE, **arguments)


def test_what_needs_too_large_a_matrix_is_refused():
    large = (40, 40, 3)
    with pytest.raises(ValueError, match="exact gradient .* 4800 × 4800"):
        SelfNormalizingConv2D(large, gradient="exact")
    with pytest.raises(ValueError, match='exact inverse .*inverse="refined"'):
        SelfNormalizingConv2D(large)
    for arguments in ({"padding": "circular"}, {"inverse": "refined"}):
        SelfNormalizingConv2D(large, **arguments)
    with pytest.raises(ValueError, match="height, width, channels"):
        SelfNormalizingConv2D((4, 4))
    with pytest.raises(ValueError, match="at least 1"):
        SelfNormalizingDense(0)


def test_layer_inputs_of_a_chain():
    first, activation, second = dense(), SmoothLeakyReLU(0.3, dtype="float64"), dense()
    inner = tfb.Chain([second, activation], name="inner")
    x = points(first)
    # Forward right to left; the inverse of `Invert(first)` is first.
    for bijector in (
        tfb.Chain([inner, first]),
        tfb.Invert(tfb.Invert(tfb.Chain([inner, first]))),
        tfb.Invert(tfb.Chain([tfb.Invert(first), tfb.Invert(inner)])),
    ):
        found = layer_inputs(bijector, x)
        assert [layer for layer, _ in found] == [first, activation, second]
        h = tf.matmul(x, first.kernel, transpose_b=True) + first.bias
        softplus = np.log1p(np.exp(h))
        for (_, value), expected in zip(
            found, (x, h, 0.3 * h + 0.7 * softplus), strict=True
        ):
            np.testing.assert_allclose(value, expected, atol=1e-12)


def test_layer_inputs_of_several_levels():
    shapes = [(4, 4, 1), (2, 2, 2)]
    steps = []
    for index, shape in enumerate(shapes):
        size = shape[-1] * 4
        squeeze = Squeeze(shape, dtype="float64", name=f"squeeze_{index}")
        norm = ActNorm(size, dtype="float64", name=f"norm_{index}")
        layer = SelfNormalizingDense(
            size, initial="rotation", seed=index, dtype="float64", name=f"d_{index}"
        )
        perturb(norm)
        perturb(layer)
        steps.append([squeeze, norm, layer])
    levels = [tfb.Chain(step[::-1], name=f"level_{i}") for i, step in enumerate(steps)]
    multiscale = MultiScale(shapes[0], levels, dtype="float64")
    x = tf.constant(np.random.default_rng(0).normal(size=[3, 4, 4, 1]))
    expected, h = [], tf.identity(x)
    for step in steps:
        for part in step:
            expected.append((part, h))
            h = part.forward(tf.identity(h))
        h = h[..., : h.shape[-1] // 2]
    for bijector in (multiscale, tfb.Invert(tfb.Invert(multiscale))):
        found = layer_inputs(bijector, x)
        assert [leaf for leaf, _ in found] == [leaf for leaf, _ in expected]
        for (_, one), (_, other) in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-12)
    with pytest.raises(ValueError, match="Wrap it in tfb.Invert"):
        layer_inputs(tfb.Invert(multiscale), tf.zeros([1, 16], tf.float64))


def test_learned_inverses_are_found_in_every_container():
    layer, twin = dense(), dense(gradient="exact")
    chain = tfb.Chain([tfb.Invert(layer), twin, SmoothLeakyReLU(0.3, dtype="float64")])
    assert learned_inverses(tfb.Invert(chain)) == [layer]
    assert isinstance(layer, bijectors.LearnedInverse)
    assert not isinstance(ActNorm(2), bijectors.LearnedInverse)
