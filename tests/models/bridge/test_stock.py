"""What TFP itself exports: what was saved loads, to the bit, or is refused by name."""

import random

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

from tests.cases import stock
from tfp_flows.models import FlowModel
from tfp_flows.models.bridge.serialization import deserialize, serialize

EVERY = {
    **stock.DISTRIBUTIONS,
    **{
        f"tfb.{name}": lambda entry=entry: stock.transformed(*entry)
        for name, entry in stock.BIJECTORS.items()
    },
}
# A network of Keras 2, one that a class builds, nested parts, an operator, a kernel, a
# mixture, integers, what was a sequence of distributions, a base's parameters.
SHARP = [
    "tfb.MaskedAutoregressiveFlow",
    "tfb.LambertWTail",
    "MultivariateNormalLinearOperator",
    "GaussianProcess",
    "Blockwise",
    "OneHotCategorical",
    "tfb.ScaleMatvecLU",
]


def rows_of(distribution, rows=3):
    # PixelCNN takes no stateless seed.
    takes_pair = not isinstance(distribution, tfd.PixelCNN)
    return tf.identity(distribution.sample(rows, seed=(1, 2) if takes_pair else 1))


def exported(namespace, kind):
    found = [vars(namespace)[name] for name in dir(namespace)]
    return {
        part.__name__
        for part in found
        if isinstance(part, type) and issubclass(part, kind)
    }


def test_the_tables_name_all_that_tfp_exports():
    named = {name.split("[")[0] for name in (*stock.DISTRIBUTIONS, *stock.BIJECTORS)}
    there = exported(tfd, tfd.Distribution) | exported(tfb, tfb.Bijector)
    assert there - named == set(stock.NO_CASE)


def check_round_trip(distribution):
    """Rebuilds a distribution from data, with the values of its variables."""
    x = rows_of(distribution)
    expected = distribution.log_prob(x)
    copy = deserialize(serialize(distribution))
    # Builds what builds itself at the first call.
    tf.function(copy.log_prob, autograph=False).get_concrete_function(x)
    for ours, theirs in zip(copy.variables, distribution.variables, strict=True):
        ours.assign(theirs)
    np.testing.assert_array_equal(copy.log_prob(tf.identity(x)), expected)


@pytest.mark.slow
@pytest.mark.parametrize("name", EVERY)
def test_every_part_is_rebuilt_to_the_bit(name):
    check_round_trip(EVERY[name]())


def test_a_part_that_changes_in_inference_is_refused_by_name():
    for bijector in (tfb.BatchNormalization(), tfb.Invert(tfb.BatchNormalization())):
        flow = tfd.TransformedDistribution(stock.normal(), bijector)
        with pytest.raises(ValueError, match="BatchNormalization changes .*ActNorm"):
            FlowModel(flow)


class Counting(tfb.Shift):
    """A bijector that nobody heard of, and that keeps a running number."""

    def __init__(self):
        super().__init__(tf.Variable([0.0, 0.0]))
        self.calls = tf.Variable(0.0, trainable=False)

    def _inverse(self, y):
        self.calls.assign_add(1.0)
        return y - self.shift


def test_a_part_that_writes_is_refused_by_name():
    flow = tfd.TransformedDistribution(stock.normal(), Counting())
    with pytest.raises(ValueError, match="Counting changes when it is evaluated"):
        FlowModel(flow)


def test_a_part_that_lost_its_variable_is_refused_by_name():
    lost = tfd.MultivariateNormalFullCovariance(tf.Variable([0.3, 0.1]), stock.EYE)
    with pytest.raises(ValueError, match="FullCovariance computes without .*'loc'"):
        FlowModel(lost)
    FlowModel(tfd.MultivariateNormalFullCovariance([0.3, 0.1], stock.EYE))


def test_a_distribution_that_needs_a_fixed_number_of_rows_is_refused():
    with pytest.raises(ValueError, match="number of rows is not known beforehand"):
        FlowModel(stock.transformed(*stock.BIJECTORS["Glow"]))


def test_a_distribution_that_draws_no_open_number_of_rows_says_so(tmp_path):
    model = FlowModel(tfd.CholeskyLKJ(3, tf.Variable(1.5)))
    for door in (lambda: model.sample(2, seed=1), lambda: model.export(str(tmp_path))):
        with pytest.raises(NotImplementedError, match=r"distribution.sample\(n\)"):
            door()


def test_fractions_are_no_whole_numbers():
    model = FlowModel(tfd.Categorical(logits=tf.Variable([0.0, 1.0, 0.0])))
    model.compile("adam")
    x = np.array([0, 1, 1, 2, 1])
    shown = model.evaluate(x, verbose=0)
    np.testing.assert_allclose(shown, -np.mean(model.log_prob(x)), rtol=1e-6)
    with pytest.raises(ValueError, match="over whole numbers; x has fractions"):
        model.log_prob(x + 0.7)


def test_what_does_not_compile_is_known():
    flow = tfd.TransformedDistribution(stock.normal(), tfb.FFJORD(lambda t, z: -z))
    assert not FlowModel(flow).supports_jit


def test_what_is_no_distribution_of_one_event_is_refused_with_a_remedy():
    joint = tfd.JointDistributionSequential([tfd.Normal(0.0, 1.0), stock.normal()])
    with pytest.raises(ValueError, match="Wrap it in tfd.Blockwise"):
        FlowModel(joint)
    deferred = tfp.experimental.util.make_trainable(tfd.Normal)
    with pytest.raises(TypeError, match="DeferredModule.* tf.Variables"):
        FlowModel(deferred)


@keras.saving.register_keras_serializable(package="tests")
class Unready(keras.layers.Layer):
    """A layer that Keras writes and does not read: its argument has no default."""

    def __init__(self, size, **kwargs):
        super().__init__(**kwargs)
        self.size = size

    def get_config(self):
        return keras.layers.Layer.get_config(self)


def test_what_would_not_load_is_refused_by_name():
    coupling = tfb.RealNVP(1, bijector_fn=Unready(2))
    with pytest.raises(TypeError, match="'bijector.bijector_fn'.* Unready"):
        serialize(tfd.TransformedDistribution(stock.normal(), coupling))


def test_a_class_of_no_module_is_refused_by_name():
    made = tfd.ZeroInflatedNegativeBinomial(
        total_count=3.0, logits=0.3, inflated_loc_probs=0.1
    )
    with pytest.raises(TypeError, match="Cannot save .*ZeroInflatedNegativeBinomial"):
        serialize(made)


def test_saving_draws_no_random_numbers():
    network = keras.Sequential([keras.layers.Dense(1)])
    shift = tfb.RealNVP(1, bijector_fn=network)
    before = random.getstate()
    serialize(shift)
    assert random.getstate() == before


@pytest.mark.parametrize("name", SHARP)
def test_what_was_saved_loads(name, tmp_path):
    distribution = EVERY[name]()
    model, x = FlowModel(distribution), rows_of(distribution)
    for index, variable in enumerate(model.variables):
        variable.assign(variable + tf.cast(0.01 * index, variable.dtype))
    expected = model.log_prob(x)
    model.save(tmp_path / "flow.keras")
    loaded = keras.models.load_model(tmp_path / "flow.keras")
    np.testing.assert_array_equal(loaded.log_prob(x), expected)
