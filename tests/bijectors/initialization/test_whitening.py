"""Linear parts set from data start at the closed-form optimum."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from tfp_flows import architectures, bijectors
from tfp_flows.bijectors import whitening_init
from tfp_flows.bijectors.initialization.whitening_matrix import closest_whitening
from tfp_flows.diagnostics import fit_gaussian, linear_flow_optimum
from tfp_flows.models import FlowModel

tfb, tfd = tfp.bijectors, tfp.distributions
F64 = {"dtype": "float64"}


@pytest.fixture
def rng():
    return np.random.default_rng(4)


def correlated(rng, rows=400, size=4):
    return rng.normal(size=(rows, size)) @ rng.normal(size=(size, size)) + 2.0


def flow(*layers, event_size):
    base = tfd.MultivariateNormalDiag(np.zeros(event_size), np.ones(event_size))
    chain = tfb.Chain(list(reversed(layers)))
    return tfd.TransformedDistribution(base, tfb.Invert(chain))


def start(density, x):
    whitening_init(tfb.Invert(density.bijector), tf.constant(x))
    return float(tf.reduce_mean(density.log_prob(tf.constant(x))))


def test_a_flow_with_a_bias_starts_at_the_affine_optimum(rng):
    x = correlated(rng)
    density = flow(
        bijectors.ActNorm(4, **F64),
        bijectors.Linear(4, initial="rotation", seed=1, **F64),
        bijectors.Coupling(4, hidden_sizes=[8], **F64),
        bijectors.Linear(4, **F64),
        event_size=4,
    )
    expected = linear_flow_optimum(x).log_likelihood
    assert start(density, x) == pytest.approx(expected, abs=1e-9)


def test_without_a_bias_it_starts_at_the_linear_optimum(rng):
    x = correlated(rng)
    found = start(flow(bijectors.Linear(4, **F64), event_size=4), x)
    expected = linear_flow_optimum(x, centered=False).log_likelihood
    assert found == pytest.approx(expected, abs=1e-9)


def test_act_norm_alone_starts_at_the_diagonal_optimum(rng):
    x = correlated(rng)
    found = start(flow(bijectors.ActNorm(4, **F64), event_size=4), x)
    expected = linear_flow_optimum(x, "diagonal").log_likelihood
    assert found == pytest.approx(expected, abs=1e-9)


def test_images_start_at_the_optimum_of_pointwise_convolutions(rng):
    x = (rng.normal(size=(50, 6, 3)) @ rng.normal(size=(3, 3))).reshape(50, 2, 3, 3)
    base = tfd.Independent(tfd.Normal(np.zeros((2, 3, 3)), np.ones((2, 3, 3))), 3)
    chain = tfb.Chain([bijectors.Linear(3, **F64), bijectors.ActNorm(3, **F64)])
    density = tfd.TransformedDistribution(base, tfb.Invert(chain))
    expected = linear_flow_optimum(x, "conv1x1", event_ndims=3).log_likelihood
    assert start(density, x) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("gradient", ["self_normalizing", "relative", "exact"])
def test_self_normalizing_dense_layers_start_at_the_affine_optimum(rng, gradient):
    x = correlated(rng)
    layer = bijectors.SelfNormalizingDense(
        4, initial="rotation", seed=1, gradient=gradient, **F64
    )
    expected = linear_flow_optimum(x).log_likelihood
    assert start(flow(layer, event_size=4), x) == pytest.approx(expected, abs=1e-9)
    if gradient != "exact":
        product = layer.kernel @ layer.inverse_kernel
        np.testing.assert_allclose(product, np.eye(4), atol=1e-9)


@pytest.mark.parametrize("padding", ["zero", "circular"])
def test_self_normalizing_convolutions_start_at_the_pointwise_optimum(rng, padding):
    mixing = rng.normal(size=(2, 2))
    x = (rng.normal(size=(50, 16, 2)) @ mixing + 1.0).reshape(50, 4, 4, 2)
    layer = bijectors.SelfNormalizingConv2D((4, 4, 2), padding=padding, **F64)
    base = tfd.Independent(tfd.Normal(np.zeros((4, 4, 2)), np.ones((4, 4, 2))), 3)
    density = tfd.TransformedDistribution(base, tfb.Invert(tfb.Chain([layer])))
    expected = linear_flow_optimum(x, "conv1x1", event_ndims=3).log_likelihood
    assert start(density, x) == pytest.approx(expected, abs=1e-9)
    y = tf.random.stateless_normal([3, 4, 4, 2], [0, 1], dtype="float64")
    learned = layer.multiply(layer.multiply(y, layer.kernel), layer.inverse_kernel)
    np.testing.assert_allclose(learned, y, atol=1e-9)


def test_the_closest_maximiser_is_chosen(rng):
    x = correlated(rng)
    second = x.T @ x / len(x)
    rotation, _ = np.linalg.qr(rng.normal(size=(4, 4)))
    for present in (np.eye(4), rotation, rng.normal(size=(4, 4))):
        found = closest_whitening(x, present, "test")
        np.testing.assert_allclose(found @ second @ found.T, np.eye(4), atol=1e-9)
        # A criterion of its own: tr(W₀ S Wᵀ) is largest over all rotations of W.
        reached = np.trace(present @ second @ found.T)
        for _ in range(20):
            other, _ = np.linalg.qr(rng.normal(size=(4, 4)))
            assert np.trace(present @ second @ (other @ found).T) < reached
    white = (x - x.mean(0)) @ np.linalg.inv(
        np.linalg.cholesky(np.cov(x.T, bias=True))
    ).T
    np.testing.assert_allclose(
        closest_whitening(white, rotation, "test"), rotation, atol=1e-9
    )


def test_levels_of_glow_are_reached_and_training_leaves_them(rng):
    images = rng.integers(0, 17, (80, 4, 4, 1)).astype("float32")
    images += 3 * images[:, :1]
    images = np.clip(images, 0, 16).round()
    density = architectures.glow(
        (4, 4, 1), num_values=17, steps_per_level=1, hidden_sizes=(8,), seed=0
    )
    model = FlowModel(density)
    model.adapt(images)
    before = float(np.mean(model.log_prob(images)))
    inner = density.distribution
    dequantized = density.dequantize(tf.constant(images))
    whitening_init(tfb.Invert(inner.bijector), dequantized)
    after = float(np.mean(model.log_prob(images)))
    assert after > before + 1
    assert not model._adapter.waits_for_data
    linear = next(p for p in inner.submodules if p.name == "linear_0_0")
    kept = linear.matrix.numpy()
    model.compile("sgd")
    model.optimizer.learning_rate = 0.0
    model.fit(images, epochs=1, verbose=0)
    np.testing.assert_array_equal(linear.matrix, kept)


def test_a_saved_model_keeps_its_start(rng, tmp_path):
    import keras

    x = correlated(rng).astype("float32")
    model = FlowModel(architectures.coupling_flow(4, num_layers=1, hidden_sizes=[8]))
    whitening_init(tfb.Invert(model.distribution.bijector), tf.constant(x))
    model.save(tmp_path / "flow.keras")
    loaded = keras.models.load_model(tmp_path / "flow.keras")
    np.testing.assert_array_equal(loaded.log_prob(x), model.log_prob(x))


def test_context_reaches_its_layers(rng):
    density = architectures.coupling_flow(
        2, context_size=1, num_layers=1, hidden_sizes=[8], dtype="float64"
    )
    x, context = correlated(rng, size=2), 7 + rng.normal(size=(400, 1))
    chain = tfb.Invert(density.bijector)
    arguments = bijectors.context_arguments(chain, tf.constant(context))
    z = whitening_init(chain, tf.constant(x), **arguments)
    np.testing.assert_allclose(np.cov(z, rowvar=False), np.eye(2), atol=0.02)


def full_matrix(matrix, **options):
    operator = tf.linalg.LinearOperatorFullMatrix(tf.Variable(matrix))
    return tfb.ScaleMatvecLinearOperator(operator, **options)


STOCK = {
    "full": full_matrix,
    "full, adjoint": lambda matrix: full_matrix(matrix, adjoint=True),
    "triangular": lambda matrix: tfb.ScaleMatvecTriL(tf.Variable(matrix)),
    "upper": lambda matrix: tfb.ScaleMatvecTriL(tf.Variable(matrix), adjoint=True),
    "LU": lambda matrix: tfb.ScaleMatvecLU(tf.Variable(matrix), tf.constant([2, 0, 1])),
    "diagonal": lambda matrix: tfb.ScaleMatvecDiag(tf.Variable(np.diag(matrix))),
}


@pytest.mark.parametrize("is_inverted", [False, True])
@pytest.mark.parametrize("kind", STOCK)
def test_linear_bijectors_of_tfp_start_at_the_optimum_in_both_directions(
    rng, kind, is_inverted
):
    x = correlated(rng, size=3)
    layer = STOCK[kind](np.tril(np.ones([3, 3])))
    layer = tfb.Invert(layer) if is_inverted else layer
    family = "diagonal" if kind == "diagonal" else "full"
    expected = linear_flow_optimum(x, family, centered=False).log_likelihood
    assert start(flow(layer, event_size=3), x) == pytest.approx(expected, abs=1e-9)


def test_what_is_no_variable_stays_as_it_is(rng):
    x = tf.constant(correlated(rng, size=2))
    constant = tfb.ScaleMatvecTriL(np.eye(2))
    np.testing.assert_array_equal(whitening_init(constant, x), x)


def test_what_cannot_be_set_is_refused(rng):
    x = tf.constant(np.c_[np.ones(20), np.ones(20)] * rng.normal(size=(20, 1)))
    with pytest.raises(ValueError, match=r"linear\.whiten .* do not vary in some dir"):
        whitening_init(bijectors.Linear(2, **F64), x)
    with pytest.raises(ValueError, match=r"Wrap it in tfb\.Invert"):
        whitening_init(tfb.Invert(bijectors.Linear(2, **F64)), x)
    levels = bijectors.MultiScale((4, 4, 1), [bijectors.Squeeze((4, 4, 1))])
    with pytest.raises(ValueError, match=r"Wrap it in tfb\.Invert"):
        whitening_init(tfb.Invert(levels), tf.zeros([5, 16]))


@pytest.mark.parametrize(
    "bijector",
    [
        tfb.ScaleMatvecTriL(tf.Variable(np.eye(2)), name="stock"),
        tfb.ScaleMatvecDiag(tf.Variable(np.ones(2)), name="stock"),
    ],
    ids=["triangular", "diagonal"],
)
@pytest.mark.parametrize("x", [np.ones((20, 3)), np.zeros((20, 2)), np.ones((1, 2))])
def test_a_bijector_of_tfp_is_no_part_that_has_our_methods(bijector, x):
    with pytest.raises(ValueError, match="^whitening_init of stock (exp|rec|needs)"):
        whitening_init(bijector, tf.constant(x))


def test_few_rows_are_whitened_with_the_ridge_that_others_prefer(rng):
    """As the yardstick does, which looks at the rows to come."""
    factors = rng.normal(size=(1_200, 15)) @ rng.normal(size=(15, 60)) / np.sqrt(15)
    rows = factors + 0.5 * rng.normal(size=(1_200, 60))
    train, test = rows[:300], rows[300:]
    density = flow(bijectors.Whiten(60, **F64), event_size=60)
    start(density, train)
    found = np.mean(density.log_prob(test))
    assert found > np.mean(fit_gaussian(train).log_prob(test)) + 0.2
    assert found > np.mean(fit_gaussian(train, test).log_prob(test)) - 0.2


def test_many_rows_are_white(rng):
    rows = correlated(rng, rows=2_000, size=3)
    layer = bijectors.Whiten(3, **F64)
    layer.initialize(rows)
    np.testing.assert_allclose(
        np.cov(layer.forward(rows), rowvar=False, bias=True), np.eye(3), atol=1e-9
    )
