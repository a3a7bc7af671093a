"""Domains over one density: one object for all, in files too, and where they start."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tests.weights import values
from tfp_flows.architectures import coupling_flow
from tfp_flows.models import AlignFlow
from tfp_flows.models.alignment.objective import Given

TINY = {"num_layers": 1, "own_layers": 1, "hidden_sizes": (4,), "seed": 0}


def rows(seed, count=400):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, 3)).astype("float32")


def small():
    return AlignFlow.for_tables("ab", 3, own_hidden_sizes=(4,), **TINY)


@pytest.fixture(scope="module")
def data():
    return {"a": rows(0), "b": 3 * rows(1) + 1}


@pytest.fixture(scope="module")
def model(data):
    keras.utils.set_random_seed(0)
    made = small()
    made.compile(keras.optimizers.Adam(0.05))
    made.fit(data, epochs=3, batch_size=100, verbose=0)
    return made


def test_a_file_holds_the_density_once(model, data, tmp_path):
    model.save(tmp_path / "model.keras")
    read = keras.models.load_model(tmp_path / "model.keras")
    one, other = (read.flow(d).distribution.distribution for d in "ab")
    assert one is other is read.base
    assert len(read.trainable_variables) == len(model.trainable_variables)
    for domain, other in ("ab", "ba"):
        for answer in (
            lambda m, a=domain, b=other: m.translate(data[a], a, b),
            lambda m, a=domain: m.log_prob(data[a], a),
        ):
            np.testing.assert_array_equal(answer(model), answer(read))


def test_one_walk_of_all_rows_is_the_likelihood_of_each(model, data):
    found = model.evaluate(data, verbose=0, return_dict=True)
    for domain, x in data.items():
        expected = -tf.reduce_mean(model.log_prob(x, domain))
        np.testing.assert_allclose(found[f"nll_{domain}"], expected, rtol=1e-5)


def test_translation_does_not_see_the_density(data):
    model = small()
    model.adapt(data)
    y, p = model.translate(data["a"], "a", "b"), model.log_prob(data["a"], "a")
    for weight in model.base.trainable_variables:
        weight.assign_add(0.3 * tf.ones_like(weight))
    np.testing.assert_array_equal(y, model.translate(data["a"] + 0, "a", "b"))
    assert np.abs(p - model.log_prob(data["a"] + 0, "a")).max() > 0.01


def test_moments_are_the_start_where_they_are_what_differs(data):
    model = small()
    model.adapt(data)
    y = model.translate(data["a"], "a", "b")
    np.testing.assert_allclose(np.mean(y, axis=0), data["b"].mean(axis=0), atol=1e-3)
    np.testing.assert_allclose(np.std(y, axis=0), data["b"].std(axis=0), rtol=0.01)


def test_the_start_is_no_map_where_moments_explain_little():
    """Half of b's rows are elsewhere: its mean is between them, where nothing is."""
    x = rows(1)
    x[::2] += 6
    model = small()
    model.adapt({"a": rows(0), "b": x})
    np.testing.assert_allclose(model.translate(rows(0), "a", "b"), rows(0), atol=1e-4)


def test_what_was_set_before_stays_set(data):
    model = small()
    model.flow("a").adapt(2 * data["a"])
    before = values(model.flow("a").variables)
    model.adapt(data, anew=False)
    for value, now in zip(before, values(model.flow("a").variables), strict=True):
        np.testing.assert_array_equal(value, now)


def test_transport_holds_small_moves_and_frees_large_ones(model, data):
    """Of rows m deviations away 1 / (1 / m² + 10)."""
    objective, x = model._objective, tf.constant(data["a"])
    for m in (0.1, 3.0):
        y = model.location[1] + model.scale[1] * (m + objective.standard(x, "a"))
        found = objective.of_transport({"a": Given(x)}, {("a", "b"): Given(y)})
        np.testing.assert_allclose(found, 1 / (m**-2 + 10), rtol=1e-3)


def test_files_that_hold_models_one_by_one_are_read(data):
    """Those of before domains could share a density."""
    normal = tfd.MultivariateNormalDiag(tf.zeros([3]), tf.ones([3]))
    sizes = {"num_layers": 1, "hidden_sizes": (4,), "seed": 0}
    flows = {d: coupling_flow(3, base=normal, **sizes) for d in "ab"}
    model = AlignFlow(flows)
    config = model.get_config()
    del config["flows"]
    write = keras.saving.serialize_keras_object
    config |= {
        "domains": ["a", "b"],
        "flow_models": list(map(write, model.flow_models)),
    }
    read = AlignFlow.from_config(config)
    assert read.domains == ("a", "b")
    read.set_weights(model.get_weights())
    for domain, x in data.items():
        np.testing.assert_array_equal(
            read.log_prob(x, domain), model.log_prob(x, domain)
        )
