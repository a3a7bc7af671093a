"""Laws over the table of distributions that models are made of."""

import dataclasses
import functools
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.cases.case import parametrize
from tests.cases.models import CASES
from tests.weights import values
from tfp_flows.models import FlowModel

ROWS = 64


def data(case):
    x = case.points(ROWS).astype("float32")
    if case.name == "dequantized":
        x[..., 0] = np.floor(3 * x[..., 0])
    context = case.context(ROWS)
    return x if context is None else (x, context.astype("float32"))


@dataclasses.dataclass(frozen=True)
class Training:
    """A model after a short fit, with its weights before and after."""

    model: FlowModel
    losses: list[float]
    before: list[np.ndarray]
    after: list[np.ndarray]


@functools.cache
def train(name):
    """Trains the case of that name once for all tests."""
    keras.utils.set_random_seed(0)
    (case,) = (case for case in CASES if case.name == name)
    model = FlowModel(case.make())
    # Away from the start, where the zero last layers stop some gradients.
    rng = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign_add(0.1 * rng.normal(size=variable.shape))
    before = values(model.trainable_variables)
    model.compile(keras.optimizers.Adam(0.01))
    history = model.fit(data(case), epochs=6, batch_size=32, verbose=0).history
    return Training(model, history["loss"], before, values(model.trainable_variables))


@pytest.fixture(params=CASES, ids=[case.name for case in CASES])
def case_and_model(request):
    return request.param, train(request.param.name).model


def log_prob(model, inputs):
    return (
        model.log_prob(*inputs) if isinstance(inputs, tuple) else model.log_prob(inputs)
    )


def test_both_worlds_list_each_variable_once(case_and_model):
    _, model = case_and_model
    by_keras = [id(v.value) for v in model.trainable_variables]
    by_tfp = [id(v) for v in model.distribution.trainable_variables]
    assert len(by_keras) == len(set(by_keras)) > 0
    assert set(by_keras) == set(by_tfp)
    assert {id(v.value) for v in model.variables} >= {
        id(v) for v in model.distribution.variables
    }


@pytest.mark.parametrize(**parametrize(CASES))
def test_fit_moves_every_variable_and_lowers_the_loss(case):
    training = train(case.name)
    variables = training.model.trainable_variables
    changes = zip(variables, training.before, training.after, strict=True)
    still = {variable.name for variable, old, new in changes if np.all(old == new)}
    assert still == set(case.idle)
    assert training.losses[-1] < training.losses[0]


def test_predict_evaluate_and_log_prob_agree(case_and_model):
    case, model = case_and_model
    inputs = data(case)
    expected = log_prob(model, inputs)
    assert expected.shape == (ROWS,)
    np.testing.assert_allclose(
        model.predict(inputs, verbose=0, batch_size=20), expected, rtol=1e-4, atol=1e-4
    )
    logs = model.evaluate(inputs, verbose=0, batch_size=32, return_dict=True)
    np.testing.assert_allclose(logs["loss"], -np.mean(expected), rtol=1e-4)


def test_eager_graph_and_xla_agree(case_and_model):
    case, model = case_and_model
    inputs = data(case)
    expected = log_prob(model, inputs)
    for jit in (False, True):
        compiled = tf.function(lambda x: log_prob(model, x), jit_compile=jit)
        np.testing.assert_allclose(compiled(inputs), expected, rtol=2e-4, atol=2e-4)


def test_samples_follow_the_seed_and_the_context(case_and_model):
    case, model = case_and_model
    inputs = data(case)
    context = inputs[1][:5] if isinstance(inputs, tuple) else None
    first = model.sample(7, context=context, seed=3)
    batch = () if context is None else (5,)
    assert first.shape == (7, *batch, *case.event_shape)
    np.testing.assert_array_equal(first, model.sample(7, context=context, seed=(0, 3)))
    assert np.any(first != model.sample(7, context=context, seed=4))
    assert np.any(model.sample(7, context=context) != model.sample(7, context=context))


def test_weights_round_trip(case_and_model, tmp_path):
    case, model = case_and_model
    path = tmp_path / "flow.weights.h5"
    model.save_weights(path)
    other = FlowModel(case.make())
    other.load_weights(path)
    inputs = data(case)
    np.testing.assert_array_equal(log_prob(model, inputs), log_prob(other, inputs))


@pytest.mark.parametrize(
    **parametrize(CASES, law="whole_model_round_trip_is_bit_equal")
)
def test_whole_model_round_trip_is_bit_equal(case, tmp_path):
    model = train(case.name).model
    path = tmp_path / "flow.keras"
    model.save(path)
    other = keras.models.load_model(path)
    inputs = data(case)
    np.testing.assert_array_equal(log_prob(model, inputs), log_prob(other, inputs))
    by_tfp = {id(v) for v in other.distribution.trainable_variables}
    assert {id(v.value) for v in other.trainable_variables} == by_tfp


def test_what_a_file_cannot_hold_is_refused_by_name(tmp_path):
    with pytest.raises(TypeError, match="shift_and_log_scale_fn"):
        train("closure").model.save(tmp_path / "flow.keras")


def test_export_answers_where_the_package_cannot_be_imported(tmp_path):
    """One process for all cases: it imports TensorFlow alone."""
    for case in CASES:
        model = train(case.name).model
        folder = tmp_path / case.name.replace(" ", "_")
        model.export(str(folder), verbose=False)
        np.savez(tmp_path / f"{folder.name}.npz", **expectation(case, model))
    reader = pathlib.Path(__file__).parent / "serving" / "read_exported.py"
    result = subprocess.run(
        [sys.executable, str(reader), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count("agrees") == len(CASES)


def expectation(case, model):
    """Inputs and answers of every endpoint."""
    inputs = data(case)
    x, context = inputs if isinstance(inputs, tuple) else (inputs, None)
    answers = {"x": x, "log_prob": log_prob(model, inputs)}
    if context is not None:
        answers["context"] = context
    answers["sample"] = model.sample(4, context=context, seed=(1, 2))
    if model.base_event_shape is not None:
        answers["inverse"] = model.inverse(x, context)
        answers["forward"] = model.forward(answers["inverse"], context)
    return {name: np.asarray(value) for name, value in answers.items()}


@pytest.mark.parametrize("name", ["conditional coupling", "dequantized"])
def test_training_goes_on_exactly_after_loading(name, tmp_path):
    (case,) = (case for case in CASES if case.name == name)
    train(name).model.save(tmp_path / "flow.keras")
    first, second = (keras.models.load_model(tmp_path / "flow.keras") for _ in "ab")
    for model in (first, second):
        model.fit(data(case), epochs=2, batch_size=32, verbose=0, shuffle=False)
    for left, right in zip(
        values(first.variables), values(second.variables), strict=True
    ):
        np.testing.assert_array_equal(left, right)
