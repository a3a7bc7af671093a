"""Training batches depend on the seed and the epoch, and on nothing else."""

import numpy as np

from tfp_flows.cli.training.batches import training_batches

X = np.arange(23, dtype="float32")[:, None]


def take(steps, *, seed=0, first_epoch=0, context=None, batch_size=5):
    batches, _ = training_batches(
        X, context, batch_size=batch_size, seed=seed, first_epoch=first_epoch
    )
    return [batch[0] for batch in batches.take(steps).as_numpy_iterator()]


def test_epoch_visits_each_row_once_but_for_the_rest():
    batches, steps = training_batches(X, None, batch_size=5, seed=0)
    assert steps == 4
    assert batches.element_spec[0].shape == (5, 1)
    rows = np.concatenate(take(4))
    assert len(set(rows[:, 0])) == 20


def test_resumed_stream_goes_on_where_it_would_have_been():
    whole = np.stack(take(12))
    np.testing.assert_array_equal(whole[8:], np.stack(take(4, first_epoch=2)))
    assert not np.array_equal(whole[:4], whole[4:8])
    assert not np.array_equal(whole, np.stack(take(12, seed=1)))


def test_context_stays_with_its_row():
    for x, context in take(8, context=-X):
        np.testing.assert_array_equal(x, -context)
