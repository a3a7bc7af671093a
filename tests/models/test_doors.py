"""What holds in `fit` holds where somebody writes the loop by hand."""

import keras
import numpy as np
import pytest

from tests.weights import values
from tfp_flows.architectures import coupling_flow, fully_connected_flow
from tfp_flows.models import FlowModel

SMALL = {"num_layers": 2, "hidden_sizes": (8,), "transform": "affine", "seed": 1}


def model_of(flow, optimizer=None):
    keras.utils.set_random_seed(0)
    model = FlowModel(flow)
    model.compile(optimizer or keras.optimizers.Adam(0.01))
    return model


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    return (40.0 + 3.0 * rng.normal(size=[64, 2])).astype("float32")


@pytest.fixture(scope="module")
def context():
    return np.random.default_rng(1).normal(size=[64, 3]).astype("float32")


def test_a_batch_trains_as_an_epoch_of_one_step(rows):
    """The data-dependent start included."""
    by_fit, by_hand = (model_of(coupling_flow(2, **SMALL)) for _ in "ab")
    by_fit.fit(rows, epochs=1, batch_size=64, shuffle=False, verbose=0)
    by_hand.train_on_batch(rows)
    for one, other in zip(
        values(by_fit.variables), values(by_hand.variables), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_a_batch_takes_its_context_as_fit_does(rows, context):
    model = model_of(coupling_flow(2, context_size=3, **SMALL))
    first = model.train_on_batch(rows, context)
    for _ in range(20):
        last = model.train_on_batch((rows, context))
    assert last < first
    tested = model.test_on_batch(rows, context)
    log_prob = model.log_prob(rows, context)
    np.testing.assert_allclose(tested, -np.mean(log_prob), rtol=1e-5)
    found = model.predict_on_batch((rows, context))
    np.testing.assert_allclose(found, log_prob, rtol=1e-4, atol=1e-4)


def test_log_determinants_are_carried_from_batch_to_batch(rows, monkeypatch):
    model = model_of(fully_connected_flow(2), keras.optimizers.Adam(1e-3))
    model.train_on_batch(rows)
    counted = []
    (first, *_) = model.learned_inverses
    exact = type(first).log_abs_det
    monkeypatch.setattr(
        type(first), "log_abs_det", lambda layer: counted.append(1) or exact(layer)
    )
    for _ in range(20):
        model.train_on_batch(rows)
    assert not counted
    # What is shown in between is exact, for one factorization a layer.
    model.test_on_batch(rows)
    factorized = len(counted)
    (shown, *_) = model.test_on_batch(rows)
    assert len(counted) == factorized
    np.testing.assert_allclose(shown, -np.mean(model.log_prob(rows)), rtol=1e-5)


def test_weights_from_elsewhere_are_noticed(rows):
    model = model_of(fully_connected_flow(2), keras.optimizers.SGD(0.0))
    model.train_on_batch(rows)
    kernel = model.learned_inverses[0].kernel
    kernel.assign(3.0 * kernel)
    (trained, *_) = model.train_on_batch(rows)
    np.testing.assert_allclose(trained, -np.mean(model.log_prob(rows)), rtol=1e-5)


@pytest.mark.parametrize(
    "weight",
    [np.full(64, np.nan), -np.ones(64), np.zeros(64), np.ones([64, 1]), np.ones(3)],
    ids=["nan", "negative", "zero", "column", "short"],
)
@pytest.mark.parametrize("door", ["fit", "evaluate", "train_on_batch", "test_on_batch"])
def test_weights_of_rows_that_are_none_are_refused(rows, weight, door):
    model = model_of(coupling_flow(2, **SMALL))
    with pytest.raises(ValueError, match="64 numbers ≥ 0"):
        getattr(model, door)(rows, sample_weight=weight)


def test_contexts_of_any_rank_and_dtype_give_samples():
    model = model_of(coupling_flow(2, context_size=3, **SMALL))
    for shape in [(5, 3), (3,), (2, 4, 3), (1, 3)]:
        drawn = model.sample(7, context=np.zeros(shape), seed=1)
        assert drawn.shape == (7, *shape[:-1], 2)
        again = model.sample(7, context=np.zeros(shape, "int32"), seed=1)
        np.testing.assert_array_equal(drawn, again)


def test_every_bit_of_a_seed_counts():
    model = model_of(coupling_flow(2, **SMALL))
    seeds = [0, 1, 2**31, 2**32, 2**40, 2**62]
    drawn = {model.sample(2, seed=seed).numpy().tobytes() for seed in seeds}
    assert len(drawn) == len(seeds)
    np.testing.assert_array_equal(
        model.sample(2, seed=5), model.sample(2, seed=np.array([0, 5]))
    )
    for seed in (1.7, [1, 2, 3]):
        with pytest.raises(ValueError, match="seed must be a whole number"):
            model.sample(2, seed=seed)
