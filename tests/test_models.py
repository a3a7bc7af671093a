"""Laws over the tables of distributions that models are made of, and of models.

Each door of a model is walked through: what is new to a table is asked everything.
"""

import copy
import dataclasses
import functools
import inspect
import pathlib
import pickle
import subprocess
import sys
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.cases.architectures import CASES as ARCHITECTURES
from tests.cases.case import parametrize
from tests.cases.models import CASES, MODELS, SMALL_CONDITIONAL
from tests.weights import values
from tfp_flows import architectures, models
from tfp_flows.models import FlowModel

ROWS = 64


IN_FLOAT64 = [
    dataclasses.replace(case, name=f"{case.name}, float64")
    for case in [*ARCHITECTURES, SMALL_CONDITIONAL]
]
# The others have files of their own, tested there each time.
QUICK_MODELS = [
    *("FlowModel[self-normalizing]", "VariationalAutoencoder", "VariationalMixture"),
]
EVERY = [*CASES, *IN_FLOAT64]
# A kind each, and quick: learned inverses, a context, stock variables, no flow.
QUICK = [
    *("fully connected", "small conditional, float64", "stock variables", "copula"),
]


def data(case):
    dtype = "float64" if case in IN_FLOAT64 else "float32"
    x = case.points(ROWS).astype(dtype)
    if case.name == "dequantized":
        x[..., 0] = np.floor(3 * x[..., 0])
    context = case.context(ROWS)
    return x if context is None else (x, context.astype(dtype))


def some(cases, *names):
    """Those cases alone are walked each time, all with the slow tests."""
    return [
        pytest.param(
            case,
            id=case.name,
            marks=[] if case.name in names else pytest.mark.slow,
        )
        for case in cases
    ]


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
    (case,) = (case for case in EVERY if case.name == name)
    model = FlowModel(case.make())
    # Away from the start, where the zero last layers stop some gradients.
    rng = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign_add(0.1 * rng.normal(size=variable.shape))
    before = values(model.trainable_variables)
    model.compile(keras.optimizers.Adam(0.01))
    history = model.fit(data(case), epochs=6, batch_size=32, verbose=0).history
    return Training(model, history["loss"], before, values(model.trainable_variables))


# Their parts are those of others; each costs a minute of tracing.
HEAVY = ("one column", "atoms", "conditional autoregressive", "conditional glow")
LIGHT = [case.name for case in CASES if case.name not in HEAVY]
SLOW = [case for case in CASES if case.name in HEAVY]


@pytest.fixture(params=some(EVERY, *LIGHT))
def case_and_model(request):
    return request.param, train(request.param.name).model


@pytest.fixture(params=some(EVERY, *QUICK))
def walked(request):
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


@pytest.mark.parametrize(**parametrize(CASES, slow=SLOW))
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
    **parametrize(CASES, law="whole_model_round_trip_is_bit_equal", slow=SLOW)
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


@pytest.mark.parametrize(
    "cases",
    [CASES[::4], pytest.param(CASES[2::4] + CASES[1::2], marks=pytest.mark.slow)],
    ids=["every fourth", "the others"],
)
def test_export_answers_where_the_package_cannot_be_imported(cases, tmp_path):
    """One process for many cases: it imports TensorFlow alone."""
    for case in cases:
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
    assert result.stdout.count("agrees") == len(cases)


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


def first(inputs, rows):
    """Some rows of x, or of x and its context."""
    return tf.nest.map_structure(lambda part: part[:rows], inputs)


def unpacked(inputs):
    return inputs if isinstance(inputs, tuple) else (inputs, None)


def by_fit(model, inputs):
    model.fit(inputs, epochs=1, batch_size=ROWS, shuffle=False, verbose=0)


def by_batch(model, inputs):
    model.train_on_batch(*unpacked(inputs))


def by_tape(model, inputs):
    with tf.GradientTape() as tape:
        loss = model.compute_loss(inputs, y_pred=model(inputs, training=True))
    variables = [variable.value for variable in model.trainable_variables]
    gradients = tape.gradient(loss, variables)
    model.optimizer.apply(gradients, model.trainable_variables)


@pytest.mark.parametrize("case", some(EVERY, *QUICK))
def test_a_step_is_the_same_by_every_door(case):
    """From one state: weights, optimizer and seeds."""
    model, inputs = train(case.name).model, data(case)
    variables = [*model.variables, *model.optimizer.variables]
    start, found = values(variables), []
    for door in (by_fit, by_batch, by_tape):
        door(model, inputs)
        found.append(values(model.trainable_variables))
        for variable, value in zip(variables, start, strict=True):
            variable.assign(value)
    for other in found[1:]:
        for one, two in zip(found[0], other, strict=True):
            np.testing.assert_allclose(one, two, rtol=2e-4, atol=2e-5)


def test_batches_are_evaluated_as_the_whole(walked):
    case, model = walked
    inputs = data(case)
    expected = log_prob(model, inputs)
    found = model.predict_on_batch(inputs)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    shown = model.test_on_batch(*unpacked(inputs), return_dict=True)
    np.testing.assert_allclose(shown["loss"], -np.mean(expected), rtol=1e-4)


def test_one_row_no_row_and_a_row_without_axes(walked):
    case, model = walked
    inputs = data(case)
    x, context = unpacked(inputs)
    expected = log_prob(model, inputs)
    one = log_prob(model, first(inputs, 1))
    np.testing.assert_allclose(one, expected[:1], rtol=1e-4, atol=1e-4)
    if case.name not in ("closure", "stock network"):
        # Whose own layers take rows alone.
        alone = model.log_prob(x[0], None if context is None else context[0])
        np.testing.assert_allclose(alone, expected[0], rtol=1e-4, atol=1e-4)
    if len(case.event_shape) == 1:
        # TensorFlow convolves no empty batch.
        assert log_prob(model, first(inputs, 0)).shape == (0,)
        assert model.sample(0, context).shape[0] == 0
    np.testing.assert_allclose(
        model.evaluate(first(inputs, 1), verbose=0, return_dict=True)["loss"],
        -expected[0],
        rtol=1e-4,
    )
    for door in (model.evaluate, model.predict, model.fit, model.train_on_batch):
        with pytest.raises(ValueError, match="no rows"):
            door(first(inputs, 0))


def test_infinite_rows_have_no_density(walked):
    """And say nothing of the others."""
    case, model = walked
    x, context = unpacked(data(case))
    expected = model.log_prob(x, context)
    far = x.astype("float64")
    for row, value in enumerate([np.inf, -np.inf, 1e300, -1e300]):
        far[row].flat[-1] = value
    compiled = tf.function(model.log_prob, jit_compile=False)
    for door in (model.log_prob, compiled):
        found = door(tf.constant(far), context).numpy()
        assert not np.isnan(found).any()
        assert np.all(found[:4] == -np.inf)
        np.testing.assert_allclose(found[4:], expected[4:], rtol=1e-4, atol=1e-4)


def pickled(model):
    return pickle.loads(pickle.dumps(model))


@pytest.mark.parametrize("copied", [copy.deepcopy, pickled])
@pytest.mark.parametrize("case", [c for c in some(EVERY, *QUICK) if c.id != "closure"])
def test_copies_are_equal_in_every_state(case, copied):
    model, inputs = train(case.name).model, data(case)
    expected = log_prob(model, inputs)
    model.trainable = False
    try:
        other = copied(model)
        np.testing.assert_array_equal(log_prob(other, inputs), expected)
        assert not other.trainable
        assert len(other.optimizer.variables) == len(model.optimizer.variables)
    finally:
        model.trainable = True


@dataclasses.dataclass(frozen=True)
class Whole:
    """A model after its shortest training, with rows of its data."""

    make: Any
    model: keras.Model
    x: Any

    def answers(self, model):
        """What it says of its rows, or of its own samples."""
        if self.x is None:
            return model.log_prob(self.model.sample(5, seed=1))
        if hasattr(model, "elbo"):
            return model.elbo(self.x, seed=1)
        if hasattr(model, "translate"):
            return model.translate(self.x["a"], "a", "b")
        return model.predict(self.x, verbose=0)


def test_every_model_is_walked():
    exported = {
        name
        for name in models.__all__
        if inspect.isclass(found := getattr(models, name))
        and issubclass(found, keras.Model)
        and not inspect.isabstract(found)
    }
    assert {name.split("[")[0] for name in MODELS} == exported


@functools.cache
def whole(name):
    keras.utils.set_random_seed(0)
    make, shape = MODELS[name]
    model = make()
    model.compile(keras.optimizers.Adam(0.01))
    if shape is None:
        model.fit(steps_per_epoch=2, epochs=1, verbose=0)
        return Whole(make, model, None)
    x = np.random.default_rng(0).normal(size=(ROWS, *shape)).astype("float32")
    if hasattr(model, "elbo"):
        x = (x > 0).astype("float32")
    if hasattr(model, "translate"):
        x = {"a": x, "b": 2 * x}
    model.fit(x, epochs=1, batch_size=ROWS, verbose=0)
    return Whole(make, model, x)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in QUICK_MODELS else pytest.mark.slow)
        for name in MODELS
    ],
)
def test_files_weights_and_copies_of_every_model(name, tmp_path):
    kept = whole(name)
    expected = kept.answers(kept.model)
    others = []
    if kept.x is not None:
        kept.model.save(tmp_path / "m.keras")
        others.append(keras.models.load_model(tmp_path / "m.keras"))
        others.append(pickled(kept.model))
    if name != "BoostedFlow":
        # Which has its components from training.
        kept.model.save_weights(tmp_path / "m.weights.h5")
        others.append(kept.make())
        others[-1].load_weights(tmp_path / "m.weights.h5")
    for other in others:
        np.testing.assert_array_equal(kept.answers(other), expected)


def compile_and_fit(model, x, **arguments):
    model.compile("adam", **arguments)
    model.fit(x, verbose=0)


@pytest.mark.parametrize("name", MODELS)
def test_what_keras_offers_and_a_density_lacks_is_said(name, tmp_path):
    make, shape = MODELS[name]
    made, x = make(), None if shape is None else np.ones([2, *shape])
    with pytest.raises(NotImplementedError, match="is not quantized"):
        made.quantize("int8")
    with pytest.raises(ValueError, match='the ending ".keras"'):
        made.save(tmp_path / "m.h5")
    with pytest.raises(ValueError, match="no predictions .* without metrics"):
        compile_and_fit(made, x, metrics=["mae"])
    with pytest.raises(ValueError, match="its own objective.* without a loss"):
        compile_and_fit(made, x, loss="mse")
    if shape is not None:
        with pytest.raises(ValueError, match='format="tf_saved_model"'):
            made.export(tmp_path / "m.onnx", format="onnx")
    if shape == (2,):
        assert made.compute_output_shape((None, 2)) == (None,)
        assert made.compute_output_shape([(7, 2), (7, 3)]) == (7,)


def test_a_policy_of_less_precision_is_said():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        # Without a network to reach; the others are in test_mixed_precision.
        flow = architectures.fully_connected_flow(2)
        with pytest.warns(UserWarning, match="mixed_bfloat16 does not reach a density"):
            model = FlowModel(flow)
    finally:
        keras.config.set_dtype_policy("float32")
    assert model.log_prob(np.zeros([1, 2])).dtype == tf.float32
