"""Training through learned inverses: what runs, what is shown, where it ends."""

import inspect
import types
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from tests.reference.self_normalizing import gaussian_entropy
from tfp_flows.architectures import convolutional_flow, fully_connected_flow, glow
from tfp_flows.bijectors import SelfNormalizingDense
from tfp_flows.models import FlowModel
from tfp_flows.models.penalties import Penalties
from tfp_flows.objectives import Reconstruction, Terms

tfb, tfd = tfp.bijectors, tfp.distributions
FACTORIZATIONS = {
    "Cholesky",
    "LogMatrixDeterminant",
    "Lu",
    "MatrixDeterminant",
    "MatrixInverse",
    "MatrixSolve",
    "MatrixTriangularSolve",
    "Qr",
    "SelfAdjointEig",
    "SelfAdjointEigV2",
    "Svd",
}
IMAGE = (4, 4, 1)


def dense_flow(gradient="self_normalizing", **arguments):
    return fully_connected_flow(6, gradient=gradient, **arguments)


def image_flow(gradient="self_normalizing"):
    return convolutional_flow(
        IMAGE, num_blocks=2, layers_per_block=1, gradient=gradient
    )


def glow_flow(linear="self_normalizing"):
    return glow(
        IMAGE, num_levels=1, steps_per_level=1, hidden_sizes=(4,), linear=linear, seed=0
    )


FLOWS = {"dense": dense_flow, "convolutional": image_flow, "glow": glow_flow}


def data(flow, n=256):
    """Skewed and correlated rows."""
    rng = np.random.default_rng(0)
    size = int(np.prod(flow.event_shape))
    mixed = rng.normal(size=[n, size]) @ (np.eye(size) + 0.3)
    return np.expm1(0.5 * mixed).reshape(n, *flow.event_shape).astype("float32")


def model(flow, optimizer=None, penalties=None, **arguments):
    keras.utils.set_random_seed(0)
    made = FlowModel(flow, penalties=penalties)
    made.compile(optimizer or keras.optimizers.Adam(3e-3), **arguments)
    return made


def fitted(flow, x, epochs=1, **arguments):
    made = model(flow, **arguments)
    made.fit(x, batch_size=32, epochs=epochs, shuffle=False, verbose=0)
    return made


def exact_mean(made, x):
    """Mean negative log-likelihood of the distribution alone, factorized anew."""
    return -float(np.mean(made.distribution.log_prob(tf.constant(x))))


def evaluated(made, x, **arguments):
    return made.evaluate(x, verbose=0, return_dict=True, **arguments)["loss"]


def ops_of(function):
    definition = function.graph.as_graph_def()
    nested = [node for f in definition.library.function for node in f.node_def]
    return {node.op for node in (*definition.node, *nested)}


def training_ops(made):
    # Keras wraps what it compiles in a plain loop over the iterator.
    step = inspect.getclosurevars(made.train_function).nonlocals[
        "multi_step_on_iterator"
    ]
    (function,) = step._list_all_concrete_functions()
    return ops_of(function)


# What runs.


@pytest.mark.parametrize("make", FLOWS.values(), ids=FLOWS)
def test_training_factorizes_nothing_and_the_exact_twin_does(make):
    flow = make()
    x = data(flow, 64)
    found = training_ops(fitted(flow, x))
    assert "MatMul" in found or "Conv2D" in found
    assert not found & FACTORIZATIONS
    assert "LogMatrixDeterminant" in training_ops(fitted(make("exact"), x))


@pytest.mark.parametrize(
    ("arguments", "penalties"),
    [
        ({"gradient": "relative"}, None),
        ({"density": "mixture"}, [Reconstruction(2.0, points="data", tolerance=1.0)]),
        pytest.param(
            {"inverse": "refined"},
            [Reconstruction(trains="both", symmetric=True)],
            marks=pytest.mark.slow,
        ),
    ],
    ids=["relative", "mixture", "symmetric"],
)
def test_no_option_brings_a_factorization_back(arguments, penalties):
    flow = dense_flow(**arguments)
    made = fitted(flow, data(flow, 64), penalties=penalties)
    assert not training_ops(made) & FACTORIZATIONS


def test_with_and_without_xla():
    """On data and by SGD: XLA draws other probes, and Adam scales up rounding noise."""
    penalty, results = Reconstruction(points="data"), []
    for jit in (False, True):
        flow = dense_flow()
        x = data(flow, 128)
        optimizer = keras.optimizers.SGD(1e-3)
        made = fitted(
            flow, x, optimizer=optimizer, penalties=[penalty], jit_compile=jit
        )
        results.append([made.log_prob(x), evaluated(made, x)])
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


# What is shown.


class ExactLoss(keras.callbacks.Callback):
    """Exact loss and log-determinant of each batch before its update."""

    def __init__(self, x, batch_size):
        super().__init__()
        self.batches = np.split(x, len(x) // batch_size)
        self.losses, self.log_dets = [], []

    def on_train_batch_begin(self, batch, logs=None):
        self.losses.append(exact_mean(self.model, self.batches[batch]))
        self.log_dets.append(
            sum(float(layer.log_abs_det()) for layer in self.model.learned_inverses)
        )


@pytest.mark.parametrize(
    ("make", "rate"),
    [(dense_flow, 1e-2), (image_flow, 3e-3)],
    ids=["dense", "image"],
)
def test_the_loss_shown_is_the_likelihood(make, rate):
    flow = make()
    x = data(flow, 640)
    made = model(flow, keras.optimizers.Adam(rate))
    # Away from the optimum, so that the log-determinants have some way to go.
    for layer in made.learned_inverses:
        layer.kernel.assign(0.7 * layer.kernel)
        inverse = getattr(layer, "inverse_transposed", None)
        inverse = layer.inverse_kernel if inverse is None else inverse
        inverse.assign(inverse / 0.7)
    exact = ExactLoss(x, 32)
    history = made.fit(
        x, batch_size=32, shuffle=False, verbose=0, callbacks=[exact]
    ).history
    expected = np.mean(exact.losses)
    np.testing.assert_allclose(history["loss"][0], expected, rtol=5e-3)
    # A loss whose log-determinants stood still would not pass.
    still = np.mean(exact.log_dets) - exact.log_dets[0]
    assert abs(still) > 2e-2 * abs(expected)
    (drift,) = history["log_det_drift"]
    assert 0 < abs(drift) < 1e-2 * abs(expected)


def test_the_drift_is_that_of_the_epoch_and_zero_without_updates():
    flow = dense_flow()
    x = data(flow)
    made = model(flow, keras.optimizers.SGD(0.0))
    history = made.fit(x, epochs=2, verbose=0, validation_data=x).history
    np.testing.assert_allclose(history["log_det_drift"], 0, atol=1e-5)
    # Weights set by hand are no drift.
    made.learned_inverses[0].kernel.assign(3 * tf.eye(6))
    made.learned_inverses[0].inverse_transposed.assign(tf.eye(6) / 3)
    history = made.fit(x, verbose=0).history
    np.testing.assert_allclose(history["log_det_drift"], 0, atol=1e-4)


@pytest.mark.parametrize("make", FLOWS.values(), ids=FLOWS)
def test_values_after_training_are_exact(make):
    flow = make()
    x = data(flow)
    made = model(flow)
    history = made.fit(x, batch_size=32, verbose=0, validation_data=x).history
    expected = exact_mean(made, x)
    for value in (
        history["val_loss"][-1],
        evaluated(made, x, batch_size=50),
        -np.mean(made.predict(x, verbose=0)),
        -np.mean(made.log_prob(x)),
    ):
        np.testing.assert_allclose(value, expected, rtol=1e-5)


def test_values_are_exact_for_each_gradient():
    for gradient in ("relative", "exact"):
        flow = dense_flow(gradient)
        x = data(flow)
        made = fitted(flow, x)
        np.testing.assert_allclose(evaluated(made, x), exact_mean(made, x), rtol=1e-5)


def test_each_layer_has_a_metric():
    flow = dense_flow()
    x = data(flow)
    made = model(flow)
    history = made.fit(x, verbose=0).history
    names = {"loss", "log_det_drift"}
    names |= {f"reconstruction_dense_{index}" for index in range(2)}
    assert set(history) == names
    penalty = Reconstruction(points="data", num_rows=64)
    made = fitted(flow, x, penalties=[penalty])
    (first, _) = made.learned_inverses
    rows = x
    for layer in reversed(made.distribution.bijector.bijector.bijectors):
        if layer is first:
            break
        rows = layer.forward(rows)
    back = first.multiply_inverse(first.multiply(rows, first.kernel))
    shown = made.evaluate(x, batch_size=64, verbose=0, return_dict=True)
    expected = np.sum((rows - back) ** 2) / len(x)
    np.testing.assert_allclose(shown["reconstruction_dense_0"], expected, rtol=1e-4)


# At rest.


def test_one_factorization_for_a_set_of_weights(monkeypatch):
    flow = dense_flow()
    x = data(flow)
    made = fitted(flow, x)
    counter, original = tf.Variable(0), SelfNormalizingDense.log_abs_det

    def counted(layer):
        counter.assign_add(1)
        return original(layer)

    monkeypatch.setattr(SelfNormalizingDense, "log_abs_det", counted)
    for layer in made.learned_inverses:
        layer.kernel.assign(1.01 * layer.kernel)
    first = evaluated(made, x, batch_size=8)
    made.predict(x, batch_size=8, verbose=0)
    made.log_prob(x)
    evaluated(made, x, batch_size=8)
    assert int(counter) == 2
    made.learned_inverses[1].kernel.assign(2.0 * made.learned_inverses[1].kernel)
    second = evaluated(made, x, batch_size=8)
    assert int(counter) == 3
    assert abs(second - first) > 1e-2
    monkeypatch.undo()
    np.testing.assert_allclose(second, exact_mean(made, x), rtol=1e-5)


def test_values_follow_weights_however_they_change(tmp_path):
    flow = dense_flow()
    x = data(flow)
    made = fitted(flow, x)
    path = tmp_path / "all.weights.h5"
    made.save_weights(path)
    before = made.log_prob(x).numpy()

    @tf.function(autograph=False)
    def compiled(x):
        return made.log_prob(x)

    np.testing.assert_allclose(compiled(x), before, rtol=1e-5)
    for layer in made.learned_inverses:
        layer.kernel.assign(2.0 * layer.kernel)
    # A function that was compiled before, without a refresh in between.
    values = compiled(x)
    np.testing.assert_allclose(-np.mean(values), exact_mean(made, x), rtol=1e-5)
    np.testing.assert_allclose(evaluated(made, x), exact_mean(made, x), rtol=1e-5)
    made.load_weights(path)
    np.testing.assert_array_equal(made.log_prob(x), before)
    np.testing.assert_allclose(compiled(x), before, rtol=1e-5)


@pytest.mark.parametrize(
    "kernel",
    [
        np.zeros([6, 6]),
        np.outer(np.arange(1, 7) / 3, np.linspace(0.3, 5, 6)),
        np.arange(36).reshape(6, 6) / 3,
        np.full([6, 6], np.nan),
    ],
    ids=["zero", "rank one", "rank two", "not a number"],
)
def test_singular_weights_are_refused_by_name(kernel):
    flow = dense_flow()
    x = data(flow)
    made = fitted(flow, x)
    made.learned_inverses[1].kernel.assign(kernel.astype("float32"))
    for ask in (
        lambda: made.log_prob(x),
        lambda: made.evaluate(x, verbose=0),
        lambda: made.predict(x, verbose=0),
        lambda: made.fit(x, verbose=0),
    ):
        with pytest.raises(ValueError, match="Layer dense_1 is singular"):
            ask()


@pytest.mark.filterwarnings("ignore:The weights became NaN")
def test_a_loss_that_is_not_finite_is_reported():
    flow = dense_flow()
    made = model(flow, keras.optimizers.SGD(1e30))
    with pytest.warns(UserWarning, match="loss of epoch 1 is nan: .* diverged"):
        history = made.fit(data(flow), batch_size=32, verbose=0).history
    assert np.isnan(history["loss"][0])


# Where it ends.


def gaussian_rows(covariance, n=64):
    """Rows with mean 0 and exactly this second moment."""
    size = len(covariance)
    rows = np.random.default_rng(1).normal(size=[n, size])
    rows -= rows.mean(0)
    whitened = rows @ np.linalg.inv(np.linalg.cholesky(rows.T @ rows / n)).T
    return whitened @ np.linalg.cholesky(covariance).T


def one_layer(x, penalty, optimizer, steps, **arguments):
    """Trains one dense layer on all rows at each step."""
    size = x.shape[1]
    layer = SelfNormalizingDense(size, dtype="float64", **arguments)
    base = tfd.MultivariateNormalDiag(tf.zeros([size], tf.float64))
    flow = tfd.TransformedDistribution(base, tfb.Invert(layer))
    made = model(flow, optimizer, [penalty])
    rows = tf.data.Dataset.from_tensors(x).repeat(steps)
    made.fit(rows, verbose=0)
    distance = np.linalg.norm(layer.inverse_kernel @ layer.kernel - np.eye(size), 2)
    return evaluated(made, x), distance


@pytest.mark.parametrize("points", ["probes", "data"])
@pytest.mark.parametrize("trains", ["inverse", "both"])
def test_the_optimum_on_gaussian_data_is_reached(points, trains):
    rotation = np.linalg.qr(np.random.default_rng(2).normal(size=[3, 3]))[0]
    covariance = rotation @ np.diag([0.5, 1.0, 2.0]) @ rotation.T
    x = gaussian_rows(covariance)
    penalty = Reconstruction(points=points, num_probes=64, trains=trains)
    loss, distance = one_layer(x, penalty, keras.optimizers.SGD(0.05), 800)
    np.testing.assert_allclose(loss, gaussian_entropy(covariance), atol=1e-6)
    assert distance < 1e-3


def test_the_mixture_fails_below_its_threshold_and_succeeds_above():
    x = gaussian_rows(np.eye(3))
    entropy = gaussian_entropy(np.eye(3))
    start = np.eye(3) + 0.2 * np.random.default_rng(0).normal(size=[3, 3])

    def train(weight):
        penalty = Reconstruction(weight, points="data", num_rows=64, trains="both")
        optimizer = keras.optimizers.Adam(0.01)
        return one_layer(x, penalty, optimizer, 800, density="mixture", initial=start)

    with pytest.warns(UserWarning, match="unstable with λ = 0.05|is far from"):
        loss, distance = train(0.05)
    assert loss > entropy + 0.3
    assert distance > 0.3
    loss, distance = train(1.0)
    np.testing.assert_allclose(loss, entropy, atol=1e-4)
    assert distance < 1e-2


def test_a_layer_without_penalty_does_not_learn_its_inverse():
    """The penalty is what makes R follow: the tests above would fail without."""
    x = gaussian_rows(np.diag([0.2, 1.0, 5.0]))
    size = x.shape[1]
    layer = SelfNormalizingDense(size, dtype="float64")
    base = tfd.MultivariateNormalDiag(tf.zeros([size], tf.float64))
    made = model(tfd.TransformedDistribution(base, tfb.Invert(layer)), penalties=[])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made.fit(x, epochs=2, verbose=0)
    np.testing.assert_array_equal(layer.inverse_kernel, np.eye(size))


# Penalties.


class Given:
    """A penalty of known value."""

    weight, tolerance, rate = 2.0, 0.5, 0.1
    value = 0.0

    def __call__(self, evaluation, *, seed, training):
        value = tf.constant(self.value)
        return Terms(value, {"first": 0.25 * value, "second": 0.75 * value})


def test_an_adapted_weight_grows_above_its_tolerance_and_falls_below():
    given = Given()
    penalties = Penalties([given], ["first", "second"])
    batch = types.SimpleNamespace(x=tf.zeros([1]))
    average, log_weight, weights = 0.5, np.log(2.0), []
    for value in [3.0] * 5 + [0.0] * 30:
        given.value = value
        average = 0.9 * average + 0.1 * value
        log_weight += 0.1 * (average - 0.5)
        total = penalties.total(batch, seed=None, training=True)
        np.testing.assert_allclose(total, np.exp(log_weight) * value, rtol=1e-5)
        weights.append(log_weight)
    assert weights[4] > weights[0] > np.log(2.0)
    assert weights[-1] < max(weights)
    given.value = 1.0
    total = penalties.total(batch, seed=None, training=False)
    np.testing.assert_allclose(total, np.exp(log_weight), rtol=1e-5)
    shown = {name: float(m.result()) for name, m in penalties.term_metrics.items()}
    values = [3.0] * 5 + [0.0] * 30 + [1.0]
    np.testing.assert_allclose(shown["first"], 0.25 * np.mean(values), rtol=1e-5)
    np.testing.assert_allclose(shown["second"], 0.75 * np.mean(values), rtol=1e-5)


@pytest.mark.parametrize(("tolerance", "sign"), [(1e-6, 1), (1e3, -1)])
def test_an_adapted_weight_in_training(tolerance, sign):
    flow = dense_flow()
    x = data(flow)
    penalty = Reconstruction(tolerance=tolerance, rate=1e-2 if sign > 0 else 1e-6)
    history = (
        model(flow, keras.optimizers.Adam(0.02), [penalty])
        .fit(x, epochs=3, batch_size=32, verbose=0)
        .history
    )
    weights = history["reconstruction_weight"]
    assert np.all(sign * np.diff([1.0, *weights]) > 0)


def test_a_penalty_pulls_but_does_not_show_in_the_loss():
    flow = dense_flow()
    x = data(flow)
    made = fitted(flow, x, penalties=[Reconstruction(1e6)])
    shown = made.evaluate(x, verbose=0, return_dict=True)
    np.testing.assert_allclose(shown["loss"], exact_mean(made, x), rtol=1e-5)
    assert shown["reconstruction_dense_0"] > 0
    with tf.GradientTape() as tape:
        loss = made.compute_loss(x, None, made(x, training=True))
    kernel, inverse = tape.gradient(
        loss,
        [made.learned_inverses[0].kernel, made.learned_inverses[0].inverse_transposed],
    )
    assert np.linalg.norm(inverse) > 1e3 * np.linalg.norm(kernel)


# Saving.


PENALTY = Reconstruction(
    weight=2.0, points="data", num_rows=3, trains="both", tolerance=0.01, rate=0.1
)


@pytest.mark.parametrize("make", FLOWS.values(), ids=FLOWS)
def test_a_saved_model_comes_back_bit_by_bit(make, tmp_path):
    flow = make()
    x = data(flow)
    made = fitted(flow, x, penalties=[PENALTY])
    made.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(loaded.log_prob(x), made.log_prob(x))
    # Terms, and the adapted weight, are the penalty's.
    shown, again = (m.evaluate(x, verbose=0, return_dict=True) for m in (made, loaded))
    assert abs(shown["reconstruction_weight"] - 2.0) > 1e-6
    assert shown.keys() == again.keys()
    np.testing.assert_allclose(list(shown.values()), list(again.values()), rtol=1e-6)


def test_resumed_training_goes_on_as_if_never_saved(tmp_path):
    flow = dense_flow()
    x = data(flow)
    made = fitted(flow, x)
    made.save(tmp_path / "m.keras")
    resumed = keras.models.load_model(tmp_path / "m.keras")
    histories = [
        m.fit(x, batch_size=32, shuffle=False, verbose=0).history
        for m in (made, resumed)
    ]
    np.testing.assert_allclose(resumed.log_prob(x), made.log_prob(x), rtol=1e-4)
    for name, values in histories[0].items():
        np.testing.assert_allclose(values, histories[1][name], rtol=1e-3, atol=1e-3)


def test_what_is_exported_is_exact_and_factorizes_nothing(tmp_path):
    flow = dense_flow()
    x = data(flow)
    made = fitted(flow, x)
    layer = made.learned_inverses[0]
    layer.kernel.assign(1.5 * layer.kernel)
    made.export(tmp_path / "served", verbose=False)
    served = tf.saved_model.load(tmp_path / "served")
    np.testing.assert_allclose(served.log_prob(x), made.log_prob(x), rtol=1e-5)
    (function,) = served.log_prob.concrete_functions
    assert not ops_of(function) & FACTORIZATIONS
    z = served.inverse(x)
    np.testing.assert_allclose(served.forward(z), x, atol=1e-3)
    drawn = made.sample(5, seed=3)
    np.testing.assert_allclose(served.sample(5, [0, 3]), drawn, atol=1e-5)


def test_a_context_is_cut_to_the_rows_that_are_reconstructed():
    flow = glow(
        (4, 4, 1),
        linear="self_normalizing",
        context_size=2,
        steps_per_level=1,
        hidden_sizes=(4,),
    )
    x = data(flow, 100)
    context = np.random.default_rng(1).normal(size=[100, 2]).astype("float32")
    made = model(flow)
    history = made.fit(x, context, batch_size=100, verbose=0).history
    assert np.isfinite(history["reconstruction_linear_0_0"]).all()
