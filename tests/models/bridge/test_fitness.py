"""What a model is trained on is looked at first, in the words of the command line."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.weights import values
from tfp_flows import data
from tfp_flows.architectures import coupling_flow
from tfp_flows.distributions import Dequantized, ImplicitDistribution
from tfp_flows.models import BoostedFlow, FlowModel
from tfp_flows.objectives import EnergyScore
from tfp_flows.screening import DataWarning

SMALL = {"num_layers": 1, "hidden_sizes": (8,), "transform": "affine", "seed": 1}


def model_of(flow=None, optimizer=None, **arguments):
    keras.utils.set_random_seed(0)
    model = FlowModel(coupling_flow(3, **SMALL) if flow is None else flow)
    model.compile(optimizer or keras.optimizers.Adam(1e-3), **arguments)
    return model


@pytest.fixture
def x():
    return np.random.default_rng(0).normal(size=[320, 3]).astype("float32")


def warned(model, x):
    """The warnings of one `fit`."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", DataWarning)
        model.fit(x, epochs=1, batch_size=160, verbose=0)
    found = [w for w in caught if w.category is DataWarning]
    assert all(warning.filename == __file__ for warning in found)
    return [str(warning.message) for warning in found]


def test_the_words_are_those_of_the_command_line(x):
    model = model_of()
    rating = x.copy()
    rating[:, 1] = 0.5 * np.random.default_rng(1).integers(1, 11, size=320)
    copied = np.column_stack([x[:, :2], 2 * x[:, 0] + 1])
    linear = np.column_stack([x[:, :2], x[:, 0] + x[:, 1]])
    for rows in (rating, copied, linear, np.rint(3 * x), x > 0):
        with pytest.raises(data.DataError) as refused:
            data.check(data.Table("x", rows.astype("float64"), ("x0", "x1", "x2")))
        (message,) = warned(model, rows)
        fact = str(refused.value).split(": ")[1].split(" with ")[0]
        assert fact.split(": ")[0] in message
        assert "numpy.delete(x, [" in message
    (message,) = warned(model, np.tile(x[:80], (4, 1)))
    assert "320 rows hold 80 distinct ones" in message
    assert warned(model, x) == []


def test_a_mixture_warns_once_dequantized_columns_and_draws_never(x):
    x[:, 1] = np.rint(5 * x[:, 1])
    boosted = BoostedFlow(lambda j: coupling_flow(3, **SMALL), 2)
    boosted.compile("adam")
    with pytest.warns(DataWarning, match=r"integer-valued columns \(x1\)") as caught:
        boosted.fit(x, epochs=1, batch_size=160, verbose=0)
    assert sum(w.category is DataWarning for w in caught) == 1
    model_of(Dequantized(coupling_flow(3, **SMALL), [0.0, 1.0, 0.0])).fit(x, verbose=0)
    model = FlowModel(ImplicitDistribution(3, seed=0), objective=EnergyScore())
    model.compile("adam")
    model.fit(x, verbose=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"class_weight": {0: 1.0}}, "no classes: use sample_weight"),
        ({"batch_size": 0}, "batch_size must be a whole number ≥ 1"),
        ({"x": np.ma.masked_array(np.ones([9, 3]), np.eye(9, 3))}, "x has 3 masked"),
        (
            {"sample_weight": np.ma.masked_array(np.ones(320), np.arange(320) < 2)},
            "2 m",
        ),
        ({"x": [[1.0, 2.0, 3.0], [1.0]]}, "rows differ in length"),
        ({"x": np.full([20, 3], 1e-40)}, "multiply it by a constant"),
        ({"x": tf.data.Dataset.from_tensor_slices(np.ones([9, 3], "f"))}, "batch it"),
        ({"x": np.full([20, 3], 1e300)}, "divide it by a constant"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_trained_on_is_refused(x, arguments, message):
    if "x" in arguments and isinstance(arguments["x"], np.ndarray):
        arguments["x"] = (
            arguments["x"] * np.linspace(0.5, 1, len(arguments["x"]))[:, None]
        )
    with pytest.raises(ValueError, match=message):
        model_of().fit(**{"x": x, "verbose": 0, **arguments})


def test_masks_are_seen_at_every_door(x):
    masked = np.ma.masked_array(x, x > 2)
    model = model_of(coupling_flow(3, context_size=3, **SMALL))
    for door in (
        lambda: model.adapt(masked, x),
        lambda: model.log_prob(x, masked),
        lambda: model.inverse(masked, x),
        lambda: model.sample(2, masked),
        lambda: model.evaluate(x, masked),
        lambda: model.train_on_batch(masked, x),
    ):
        with pytest.raises(ValueError, match="masked entries"):
            door()


def test_context_that_float32_loses_is_refused(x):
    seconds = 1.7e9 + np.random.default_rng(1).uniform(0, 600, size=[320, 1])
    model = model_of(coupling_flow(3, context_size=1, **SMALL))
    with pytest.raises(ValueError, match="'context0' varies by less than float32"):
        model.fit(x, seconds, verbose=0)


def test_a_list_of_rows_is_an_array(x):
    by_list, by_array = model_of(), model_of()
    by_list.fit(x.tolist(), shuffle=False, verbose=0)
    by_array.fit(x, shuffle=False, verbose=0)
    for one, other in zip(
        values(by_list.weights), values(by_array.weights), strict=True
    ):
        np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.mark.parametrize("steps", [1, 4])
@pytest.mark.parametrize("kind", ["rows", "weight"])
def test_training_stops_before_a_bad_batch(x, steps, kind):
    weight = np.ones(320, "float32")
    bad, bad_weight = x.copy(), weight.copy()
    if kind == "rows":
        bad[200, 1] = np.nan
    else:
        bad_weight[200] = -1.0
    stopped, short = model_of(steps_per_execution=steps), model_of()
    for model in (stopped, short):
        model.adapt(x)

    def batches(rows, weight):
        pairs = tf.data.Dataset.from_tensor_slices((rows, weight)).batch(32)
        return pairs.map(lambda x, w: (x, None, w))

    with pytest.raises(ValueError, match="Batch 7 of the data set has"):
        stopped.fit(batches(bad, bad_weight), epochs=2, verbose=0)
    short.fit(batches(x[:192], weight[:192]), epochs=1, verbose=0)
    for one, other in zip(values(stopped.weights), values(short.weights), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_repeats_of_a_data_set_do_not_move_the_start(x):
    once = tf.data.Dataset.from_tensor_slices(x).batch(32)
    first, second = model_of(), model_of()
    first.adapt(once)
    second.adapt(once.repeat())
    np.testing.assert_allclose(
        second.evaluate(x, verbose=0), first.evaluate(x, verbose=0), rtol=1e-5
    )


def test_weights_that_became_nan_are_taken_back(x):
    """Keras' Adafactor divides zero by zero where rows and columns have no gradient."""
    flow = coupling_flow(3, num_layers=1, seed=1)
    model = model_of(flow, keras.optimizers.Adafactor())
    model.adapt(x)
    before = model.evaluate(x, verbose=0)
    with pytest.warns(RuntimeWarning, match="became NaN .* in epoch 1: training stops"):
        history = model.fit(x, epochs=3, verbose=0).history
    assert len(history["loss"]) == 1
    np.testing.assert_allclose(model.evaluate(x, verbose=0), before, rtol=1e-5)
