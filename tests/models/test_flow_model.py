"""What is peculiar to `FlowModel`: forms of data, weights, errors, strategies."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from tfp_flows import bijectors
from tfp_flows.architectures import autoregressive_flow, coupling_flow
from tfp_flows.models import FlowModel

tfb, tfd = tfp.bijectors, tfp.distributions
SMALL = {"num_layers": 1, "hidden_sizes": (8,), "transform": "affine", "seed": 1}
# A single Gaussian: the weight of a lone mixture component has no gradient but
# rounding noise, which Adam scales up, and two equal trainings would differ in it.
NORMAL = tfd.MultivariateNormalDiag([0.0, 0.0], [1.0, 1.0])


@pytest.fixture
def x():
    rng = np.random.default_rng(0)
    return (rng.normal(size=[256, 2]) @ [[2.0, 1.0], [0.0, 1.0]] + 3).astype("float32")


@pytest.fixture
def context(x):
    noise = np.random.default_rng(1).normal(size=[len(x), 1])
    return (x[:, :1] * 0.5 + noise).astype("float32")


def model(context_size=None, **arguments):
    keras.utils.set_random_seed(0)
    made = FlowModel(coupling_flow(2, context_size=context_size, base=NORMAL, **SMALL))
    made.compile(keras.optimizers.Adam(0.01), **arguments)
    return made


def numpy_values(variables):
    return [keras.ops.convert_to_numpy(variable).copy() for variable in variables]


def fitted_weights(made, *data, **arguments):
    made.fit(*data, epochs=2, batch_size=64, verbose=0, shuffle=False, **arguments)
    return numpy_values(made.trainable_variables)


def assert_same(first, second, tolerance=1e-5):
    for one, other in zip(first, second, strict=True):
        np.testing.assert_allclose(one, other, atol=tolerance)


def test_fit_starts_at_the_full_covariance_gaussian(x):
    base = tfd.MultivariateNormalDiag([0.0, 0.0], [1.0, 1.0])
    made = FlowModel(coupling_flow(2, base=base, **SMALL))
    made.compile("adam")
    made.adapt(x)
    covariance = np.cov(x.T, bias=True)
    entropy = 0.5 * np.linalg.slogdet(2 * np.pi * np.e * covariance)[1]
    np.testing.assert_allclose(made.evaluate(x, verbose=0), entropy, rtol=1e-4)


@pytest.mark.parametrize(
    "arguments",
    [
        {"jit_compile": True},
        {"jit_compile": False},
        {"run_eagerly": True},
        {"steps_per_execution": 2},
    ],
    ids=str,
)
def test_every_way_to_run_trains_the_same(x, arguments):
    assert_same(fitted_weights(model(), x), fitted_weights(model(**arguments), x), 1e-4)


def test_every_form_of_unconditional_data_trains_the_same(x):
    expected = fitted_weights(model(), x)
    data = tf.data.Dataset.from_tensor_slices(x).batch(64)
    assert_same(expected, fitted_weights(model(), tf.constant(x)))
    assert_same(expected, fitted_weights(model(), data))


@pytest.mark.slow
def test_every_form_of_context_trains_the_same(x, context):
    slices = tf.data.Dataset.from_tensor_slices
    expected = fitted_weights(model(1), (x, context))
    assert_same(expected, fitted_weights(model(1), x, context))
    for data in (
        slices((x, context)),
        slices(((x, context),)),
        slices((x, context, np.ones(len(x), "float32"))),
    ):
        assert_same(expected, fitted_weights(model(1), data.batch(64)))


@pytest.mark.parametrize("conditional", [False, True])
def test_validation_data_in_every_form(x, context, conditional):
    made = model(1 if conditional else None)
    data = (x, context) if conditional else x
    forms = [
        tf.data.Dataset.from_tensor_slices((data,)).batch(100),
        ((data, None, np.ones(len(x)))),
    ]
    forms += [(x, context), ((x, context),)] if conditional else [x, (x,)]
    for form in forms:
        history = made.fit(
            data, epochs=1, verbose=0, validation_data=form, batch_size=256
        ).history
        np.testing.assert_allclose(
            history["val_loss"][0], made.evaluate(data, verbose=0), rtol=1e-4
        )


def test_weights_weight_the_likelihood(x):
    """A row of weight two counts as two rows, one of weight zero as none."""
    weight = np.where(np.arange(len(x)) % 2 == 0, 2.0, 0.0).astype("float32")
    # The start is set from all rows in both: compare from the same one.
    whole, part = model(), model()
    for made in (whole, part):
        made.adapt(x)
    assert_same(
        fitted_weights(whole, x, sample_weight=weight),
        [w for w in fit_in_half_batches(part, x[::2])],
    )
    values = whole.log_prob(x).numpy()
    np.testing.assert_allclose(
        whole.evaluate(x, sample_weight=weight, verbose=0),
        -np.mean(weight * values),
        rtol=1e-4,
    )


def test_weights_reach_the_validation(x):
    made = model()
    weight = np.linspace(0, 2, len(x)).astype("float32")
    history = made.fit(
        x,
        epochs=1,
        verbose=0,
        sample_weight=weight,
        validation_data=(x, None, weight),
    ).history
    expected = -np.mean(weight * made.log_prob(x))
    np.testing.assert_allclose(history["val_loss"][0], expected, rtol=1e-4)
    history = made.fit(
        x, epochs=1, verbose=0, sample_weight=weight, validation_split=0.25
    ).history
    expected = -np.mean(weight[192:] * made.log_prob(x[192:]))
    np.testing.assert_allclose(history["val_loss"][0], expected, rtol=1e-4)


def fit_in_half_batches(made, x):
    made.fit(x, epochs=2, batch_size=32, verbose=0, shuffle=False)
    return numpy_values(made.trainable_variables)


def test_same_seed_same_training(x):
    first, second = (model(), model())
    for made in (first, second):
        keras.utils.set_random_seed(3)
        made.fit(x, epochs=2, batch_size=64, verbose=0)
    weights = [numpy_values(made.trainable_variables) for made in (first, second)]
    assert_same(*weights, 0)


def test_float64(x):
    made = FlowModel(coupling_flow(2, **SMALL, dtype="float64"))
    made.compile(keras.optimizers.Adam(0.01))
    made.fit(x.astype("float64"), epochs=1, verbose=0)
    assert made.log_prob(x).dtype == tf.float64
    assert made.predict(x, verbose=0).dtype == np.float64
    assert {v.dtype for v in made.trainable_variables} == {"float64"}


def test_callbacks_and_early_stopping_see_the_likelihood(x):
    made = model()
    stop = keras.callbacks.EarlyStopping("val_loss", patience=1, min_delta=1e3)
    history = made.fit(
        x, epochs=9, verbose=0, validation_data=x, callbacks=[stop]
    ).history
    assert len(history["val_loss"]) == 2


def test_fit_adapts_once_and_a_loaded_model_does_not_again(x, tmp_path):
    made = model()
    made.fit(x, epochs=1, verbose=0)
    made.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    whiten = loaded.distribution.bijector.bijector.bijectors[-1]
    mean = whiten.mean.numpy()
    loaded.fit(x + 100, epochs=1, verbose=0)
    np.testing.assert_array_equal(whiten.mean, mean)


def test_regularization_of_a_network_enters_the_loss(x):
    network = keras.layers.Dense(
        1, kernel_regularizer=keras.regularizers.L2(1.0), name="net"
    )
    coupling = tfb.RealNVP(1, bijector_fn=lambda x, *_, **__: tfb.Shift(network(x)))
    base = tfd.MultivariateNormalDiag(tf.zeros([2]), tf.ones([2]))
    flow = tfd.TransformedDistribution(base, coupling)
    flow.network = network
    made = FlowModel(flow)
    made.compile("sgd")
    penalty = float(tf.reduce_sum(network.kernel**2))
    expected = -np.mean(made.log_prob(x)) + penalty
    np.testing.assert_allclose(made.evaluate(x, verbose=0), expected, rtol=1e-5)


def test_frozen_layers_stay(x):
    made = model()
    made.networks[0].trainable = False
    frozen = numpy_values(made.networks[0].weights)
    made.fit(x, epochs=1, verbose=0)
    assert_same(frozen, numpy_values(made.networks[0].weights), 0)


def test_nothing_to_train_is_refused(x):
    made = FlowModel(tfd.MultivariateNormalDiag([0.0, 0.0], [1.0, 1.0]))
    made.compile("adam")
    with pytest.raises(ValueError, match="no trainable variable"):
        made.fit(x, verbose=0)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.zeros([10, 3], "float32"), r"shape \[N, 2\], received \(10, 3\)"),
        (np.zeros([10], "float32"), r"shape \[N, 2\]"),
        (np.zeros([0, 2], "float32"), "no rows"),
        (np.array([["a", "b"]]), "must be numbers"),
        (np.array([[0.0, 1.0], [np.nan, 1.0]], "float32"), "first in row 2"),
        ((np.zeros([3, 2]), np.zeros([3, 1])), "no context"),
    ],
)
def test_bad_data_is_refused_before_training(data, message):
    made = model()
    before = made.get_weights()
    with pytest.raises(ValueError, match=message):
        made.fit(data, verbose=0)
    assert_same(before, made.get_weights(), 0)


def test_missing_or_wrong_context_is_refused(x, context):
    made = model(1)
    with pytest.raises(ValueError, match="pass \\(x, context\\)"):
        made.fit(x, verbose=0)
    with pytest.raises(ValueError, match="context must have shape"):
        made.fit(x, np.zeros([256, 3]), verbose=0)
    with pytest.raises(ValueError, match="expects a context of 1 features"):
        made.log_prob(x)
    with pytest.raises(ValueError, match="expects no context"):
        model().log_prob(x, context)


def test_a_loss_is_refused(x):
    made = FlowModel(coupling_flow(2, **SMALL))
    made.compile("adam", loss="mse")
    with pytest.raises(ValueError, match="without a loss"):
        made.fit(x, verbose=0)


def test_only_distributions_over_one_event():
    with pytest.raises(TypeError, match="received str"):
        FlowModel("normal")
    with pytest.raises(ValueError, match="batch shape"):
        FlowModel(tfd.Normal([0.0, 1.0], 1.0))


def test_sampling_an_autoregressive_flow_inverts_it():
    made = FlowModel(autoregressive_flow(3, num_layers=2, hidden_sizes=(8,), seed=0))
    z = made.inverse(made.sample(20, seed=1))
    x = made.forward(z)
    np.testing.assert_allclose(made.inverse(x), z, atol=1e-4)


MIRRORED = """
import sys
import numpy as np, tensorflow as tf, keras
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * 2,
)
from tensorflow_probability import distributions as tfd
from tfp_flows.architectures import coupling_flow
from tfp_flows.models import FlowModel
from tfp_flows.objectives import EnergyScore

x = np.random.default_rng(0).normal(size=[256, 2]).astype("float32") ** 3
c = x[:, :1] * 0.5

def train(context):
    keras.utils.set_random_seed(0)
    flow = coupling_flow(
        2,
        num_layers=1,
        hidden_sizes=(8,),
        transform="affine" if context else "spline",
        context_size=1 if context else None,
        seed=1,
    )
    model = FlowModel(flow)
    model.compile(keras.optimizers.Adam(0.01))
    data = (x, c) if context else x
    history = model.fit(
        data, epochs=3, batch_size=64, shuffle=False, verbose=0, validation_data=data
        if not context else (x, c),
    ).history
    return history, [w.numpy() for w in model.trainable_variables]

# One strategy for both: TensorFlow numbers the collective operations of each strategy
# from the same start, and those of two in one process collide.
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
for context in (False, True):
    one_history, one = train(context)
    with strategy.scope():
        two_history, two = train(context)
    assert len(one) == len(two) > 0
    error = max(np.abs(a - b).max() for a, b in zip(one, two))
    for key in ("loss", "val_loss"):
        gap = np.subtract(one_history[key], two_history[key])
        error = max(error, np.abs(gap).max())
    assert error < 1e-4, error
    print("agrees", error)

# An objective that draws: each replica by a seed of its own.
with strategy.scope():
    base = tfd.MultivariateNormalDiag(tf.Variable([3.0, -3.0]), tf.ones([2]))
    model = FlowModel(base, objective=EnergyScore(scale=(1.0, 1.0)))
    model.compile(keras.optimizers.Adam(0.1))
    start = int(model.seeds.state[1])
    losses = model.fit(x, epochs=3, batch_size=64, verbose=0).history["loss"]
    assert losses[2] < losses[0] and int(model.seeds.state[1]) == start + 12
print("advances", losses)
"""


def test_a_wrong_width_is_refused_not_broadcast(x):
    made = model()
    with pytest.raises(ValueError, match="must end with the axes"):
        made.log_prob(x[:, :1])
    with pytest.raises(ValueError, match="must have shape"):
        made.predict(x[:, :1], verbose=0)


def test_a_data_frame_trains_as_its_array(x):
    pandas = pytest.importorskip("pandas")
    expected = fitted_weights(model(), x)
    assert_same(expected, fitted_weights(model(), pandas.DataFrame(x)))


def test_data_that_cannot_be_read_ahead_asks_for_adapt(x):
    def batches():
        while True:
            yield (x[:64],)

    made = model()
    with pytest.raises(ValueError, match="call model.adapt"):
        made.fit(batches(), steps_per_epoch=2, verbose=0)
    made.adapt(x)
    made.fit(batches(), steps_per_epoch=2, verbose=0)


def test_a_distribution_that_was_set_is_not_set_again(x):
    first = model()
    first.fit(x, epochs=1, verbose=0)
    second = FlowModel(first.distribution)
    second.compile(keras.optimizers.SGD(0.0))
    before = first.evaluate(x, verbose=0)
    second.fit(x + 100, epochs=1, verbose=0)
    np.testing.assert_allclose(second.evaluate(x, verbose=0), before, rtol=1e-6)


def test_given_statistics_stay(x):
    standardize = bijectors.Standardize(2, mean=[1.0, 2.0], standard_deviation=3.0)
    layers = tfb.Chain([bijectors.Linear(2), standardize])
    base = tfd.MultivariateNormalDiag([0.0, 0.0], [1.0, 1.0])
    made = FlowModel(tfd.TransformedDistribution(base, tfb.Invert(layers)))
    made.compile("adam")
    made.fit(x, epochs=1, verbose=0)
    np.testing.assert_array_equal(standardize.mean, [1.0, 2.0])


def test_a_second_component_without_a_use_is_refused(x):
    data = tf.data.Dataset.from_tensor_slices((x, x[:, 0])).batch(64)
    with pytest.raises(ValueError, match="second component"):
        model().fit(data, verbose=0)
    with pytest.raises(ValueError, match="no context"):
        model().fit(x, validation_data=(x, x), verbose=0)


def test_wrong_seeds_and_counts_are_refused():
    made = model()
    with pytest.raises(ValueError, match="seed must be"):
        made.sample(3, seed=[1, 2, 3])
    for n in (-1, 2.5, [2]):
        with pytest.raises(ValueError, match="whole number"):
            made.sample(n, seed=1)


def test_two_replicas_train_as_one_device():
    result = subprocess.run(
        [sys.executable, "-c", MIRRORED], capture_output=True, text=True, check=False
    )
    said = result.stdout + result.stderr[-3000:]
    assert result.stdout.count("agrees") == 2, said
    assert result.stdout.count("advances") == 1, said


def test_raw_context_is_standardized_inside(x):
    """A year as context trains like the same column around zero."""
    year = (2005 + 10 * np.random.default_rng(1).normal(size=[256, 1])).astype(
        "float32"
    )
    data = x * 0 + np.random.default_rng(2).normal(size=x.shape) + 0.3 * (year - 2005)
    raw, centered = model(1), model(1)
    for made, context in ((raw, year), (centered, year - 2005)):
        made.fit(data, context, epochs=3, batch_size=64, shuffle=False, verbose=0)
    np.testing.assert_allclose(
        raw.evaluate(data, year, verbose=0),
        centered.evaluate(data, year - 2005, verbose=0),
        atol=0.02,
    )
    with pytest.raises(ValueError, match="constant"):
        model(1).adapt(x, np.ones([256, 1]))
