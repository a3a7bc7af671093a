"""What a model file may construct, and what it may not."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

from tfp_flows import distributions
from tfp_flows.models.bridge.serialization import deserialize, serialize

REFUSED = "may construct|refused|not registered|installed"


@pytest.mark.parametrize(
    "written",
    [
        {"class": "keras.src.utils.file_utils:os.system", "parameters": {}},
        {"class": "keras.src.utils.file_utils:get_file", "parameters": {}},
        {"class": "os:system", "parameters": {}},
        {"class": "tensorflow:io.gfile.rmtree", "parameters": {}},
        {"class": "registered:nobody>Nothing", "parameters": {}},
        {"class": "tfp_flows.models:importlib", "parameters": {}},
        {"class": "tfp_flows.data:load", "parameters": {}},
    ],
    ids=lambda written: written["class"],
)
def test_a_hostile_file_runs_nothing(written):
    with pytest.raises(ValueError, match=REFUSED):
        deserialize({"objects": [written], "root": {"object": 0}})
    dataclass = {"dataclass": written["class"], "fields": {}}
    with pytest.raises(ValueError, match=REFUSED):
        deserialize({"objects": [], "root": dataclass})
    with pytest.raises(ValueError, match="may use|not registered"):
        deserialize({"objects": [], "root": {"name": written["class"]}})


def test_what_is_shared_stays_shared():
    scale = tfb.Scale(tf.Variable(2.0))
    chain = tfb.Chain([scale, tfb.Shift(1.0), scale])
    copy = deserialize(serialize(chain))
    assert len(copy.trainable_variables) == 1
    copy.trainable_variables[0].assign(2.0)
    np.testing.assert_allclose(copy.forward(3.0), chain.forward(3.0))


def test_constants_are_exact():
    x = np.random.default_rng(0).normal(size=3)
    copy = deserialize(serialize(tfd.MultivariateNormalDiag(x, np.abs(x))))
    original = tfd.MultivariateNormalDiag(x, np.abs(x))
    np.testing.assert_array_equal(copy.log_prob(x), original.log_prob(x))


def test_scalars_keep_their_precision():
    copy = deserialize(serialize(tfd.Normal(np.float64(0.1), np.float64(2.0))))
    assert copy.dtype == tf.float64
    assert copy.log_prob(0.3) == tfd.Normal(np.float64(0.1), np.float64(2.0)).log_prob(
        0.3
    )


def test_a_lambda_is_refused_by_its_place():
    coupling = tfb.RealNVP(1, shift_and_log_scale_fn=lambda x, *_: (x, x))
    with pytest.raises(TypeError, match="bijectors\\[0\\].shift_and_log_scale_fn"):
        serialize(tfb.Chain([coupling]))


@pytest.mark.parametrize("module", ["", ".frank_copula", ".a.room.of.another.day"])
def test_a_file_names_public_classes_and_is_read_wherever_they_moved(module):
    copula = distributions.FrankCopula(3.0, 2)
    written = serialize(copula)
    assert written["objects"][0]["class"] == "tfp_flows.distributions:FrankCopula"
    written["objects"][0]["class"] = f"tfp_flows.distributions{module}:FrankCopula"
    assert isinstance(deserialize(written), distributions.FrankCopula)


def test_a_class_that_is_not_there_is_refused_by_name():
    written = {"class": "tfp_flows.distributions.nowhere:Nothing", "parameters": {}}
    with pytest.raises(ValueError, match="nowhere:Nothing.* installed"):
        deserialize({"objects": [written], "root": {"object": 0}})
