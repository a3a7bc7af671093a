"""Arrays in batches: each row once an epoch, in orders that a seed repeats."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.src.trainers import data_adapters
from tensorflow_probability import distributions as tfd

from tfp_flows.architectures import coupling_flow
from tfp_flows.models import FlowModel
from tfp_flows.models.array_batches import array_batches, drawn_seed, untuned

X = np.arange(10.0)


def epochs(seed, count=3):
    batches = array_batches((X, None, 2 * X), 4, seed=seed)
    assert len(batches) == 3
    return [[(x.numpy(), y, w.numpy()) for x, y, w in batches] for _ in range(count)]


@pytest.mark.parametrize("seed", [None, 0, 3])
def test_each_row_comes_once_an_epoch(seed):
    for batches in epochs(seed):
        assert [len(x) for x, _, _ in batches] == [4, 4, 2]
        rows = np.concatenate([x for x, _, _ in batches])
        np.testing.assert_array_equal(rows if seed is None else np.sort(rows), X)
        for x, y, weight in batches:
            assert y is None
            np.testing.assert_array_equal(weight, 2 * x)


def test_orders_follow_the_seed_and_differ_by_epoch():
    def orders(seed):
        return [np.concatenate([x for x, _, _ in one]).tolist() for one in epochs(seed)]

    first = orders(3)
    assert first == orders(3)
    assert len({tuple(order) for order in [*first, *orders(4)]}) == 6


def test_a_drawn_seed_follows_that_of_keras():
    drawn = []
    for seed in (1, 1, 2):
        keras.utils.set_random_seed(seed)
        drawn.append(drawn_seed())
    assert drawn[0] == drawn[1] != drawn[2]


def test_fewer_rows_than_a_batch_are_one_batch():
    (only,) = array_batches((X,), 32, seed=1)
    assert only[0].shape == (10,)


def test_endless_batches_are_one_epoch_after_another():
    batches = array_batches((X,), 4, seed=3, endless=True).take(6)
    sizes, rows = zip(*((len(x), x.numpy()) for (x,) in batches), strict=True)
    assert sizes == (4, 4, 2) * 2
    first, second = np.concatenate(rows[:3]), np.concatenate(rows[3:])
    np.testing.assert_array_equal(np.sort(first), X)
    np.testing.assert_array_equal(np.sort(second), X)
    assert (first != second).any()


@pytest.mark.parametrize(("at_once", "iterators"), [(2, 6), (3, 1)])
def test_a_fit_of_arrays_makes_one_iterator_where_epochs_are_whole(
    at_once, iterators, monkeypatch
):
    """And visits each row once an epoch, however many steps are one execution."""
    made, make = [], tf.data.Dataset.__iter__
    monkeypatch.setattr(
        tf.data.Dataset, "__iter__", lambda d: made.append(d) or make(d)
    )
    normal = tfd.MultivariateNormalDiag(tf.Variable([0.0, 0.0]), [1.0, 1.0])
    model = FlowModel(normal)
    model.compile("adam", steps_per_execution=at_once)
    x = np.random.default_rng(0).normal(size=(40, 2)).astype("float32")
    model.fit(x, batch_size=16, epochs=3, verbose=0)
    assert int(model.optimizer.iterations) == 9
    assert len(made) == iterators


@pytest.mark.parametrize("weighted", [False, True])
def test_a_fit_of_arrays_is_that_of_their_batches(weighted):
    """Partial batch, weights, validation: against batches by hand."""
    rng = np.random.default_rng(0)
    x, weight = rng.normal(size=(50, 2)).astype("float32"), rng.uniform(size=50)
    models = [
        FlowModel(coupling_flow(2, num_layers=1, hidden_sizes=(4,), seed=0))
        for _ in range(2)
    ]
    for model in models:
        model.compile("adam")
        model.adapt(x)
    options = {"sample_weight": weight} if weighted else {}
    by_arrays = models[0].fit(
        x,
        batch_size=16,
        epochs=2,
        shuffle=False,
        validation_data=(x[:20],),
        verbose=0,
        **options,
    )
    element = (x, None, weight.astype("float32")) if weighted else (x,)
    batches = tf.data.Dataset.from_tensor_slices(element).batch(16)
    held = tf.data.Dataset.from_tensor_slices((x[:20],)).batch(16)
    by_hand = models[1].fit(batches, epochs=2, validation_data=held, verbose=0)
    assert by_arrays.history == by_hand.history
    for pair in zip(*(model.trainable_weights for model in models), strict=True):
        np.testing.assert_array_equal(*pair)


def test_rows_of_float64_are_trained_on_as_they_are():
    """Keras casts arrays to float32: a step of 1e-9 in a column would be lost."""
    x = 1.0 + 1e-9 * np.random.default_rng(0).normal(size=(64, 2))
    model = FlowModel(
        coupling_flow(2, num_layers=1, hidden_sizes=(4,), dtype="float64", seed=0)
    )
    model.compile(keras.optimizers.Adam(1e-9))
    model.adapt(x)
    history = model.fit(x, epochs=1, batch_size=64, verbose=0).history
    log_prob = model.log_prob(x).numpy()
    np.testing.assert_allclose(history["loss"][0], -np.mean(log_prob), rtol=1e-3)
    np.testing.assert_allclose(model.predict(x, verbose=0), log_prob, rtol=1e-9)
    found = model.evaluate(x, verbose=0)
    np.testing.assert_allclose(found, -np.mean(log_prob), rtol=1e-6)


def test_no_door_waits_for_a_tuner_but_that_which_was_asked_for(monkeypatch):
    """What Keras is given, and makes an iterator of in each epoch."""
    seen = []
    keras_adapter = data_adapters.get_data_adapter

    def look(*, x, **kwargs):
        seen.append(x.options().autotune.enabled)
        return keras_adapter(x=x, **kwargs)

    monkeypatch.setattr(data_adapters, "get_data_adapter", look)
    model = FlowModel(coupling_flow(2, num_layers=1, hidden_sizes=(4,), seed=0))
    model.compile("adam")
    x = np.random.default_rng(0).normal(size=(64, 2)).astype("float32")
    batches = tf.data.Dataset.from_tensor_slices((x,)).batch(32)
    for rows, held in ((x, (x[:20],)), (batches, batches)):
        model.fit(rows, validation_data=held, verbose=0)
        model.evaluate(rows, verbose=0)
        model.predict(rows, verbose=0)
    assert seen == [False] * len(seen)
    assert len(seen) >= 8
    options = tf.data.Options()
    options.autotune.enabled = True
    model.predict(batches.with_options(options), verbose=0)
    assert seen[-1] is True


def test_batches_that_were_given_options_keep_them():
    options = tf.data.Options()
    options.deterministic = False
    found = untuned(tf.data.Dataset.range(3).with_options(options)).options()
    assert found.deterministic is False
    assert found.autotune.enabled is False
