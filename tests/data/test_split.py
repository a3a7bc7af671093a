"""Splits are disjoint, whole, and repeatable."""

import numpy as np
import pytest

from tfp_flows import data


def test_random_split_covers_all_rows_once():
    split = data.split_rows(1000, 0.1, 0.2, seed=3)
    parts = (split.train, split.validation, split.test)
    assert [len(part) for part in parts] == [700, 100, 200]
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(1000))
    again = data.split_rows(1000, 0.1, 0.2, seed=3)
    np.testing.assert_array_equal(split.test, again.test)
    other = data.split_rows(1000, 0.1, 0.2, seed=4)
    assert not np.array_equal(split.test, other.test)


def test_tail_split_keeps_the_order_of_time():
    split = data.split_rows(100, 0.1, 0.2, how="tail")
    np.testing.assert_array_equal(split.train, np.arange(70))
    np.testing.assert_array_equal(split.test, np.arange(80, 100))


def test_partition_of_the_set_wins():
    split = data.split_rows(5, partition=np.array([2, 0, 1, 0, 2]))
    np.testing.assert_array_equal(split.train, [1, 3])
    np.testing.assert_array_equal(split.test, [0, 4])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"validation": 0.0}, "^validation=0.0: expected a fraction"),
        ({"test": 1.5}, "^test=1.5: expected a fraction"),
        ({"validation": 0.5, "test": 0.5}, "leave no rows to train on"),
        ({"num_rows": 4}, "validation part of 4 rows is empty"),
        ({"how": "middle"}, "^how='middle': expected random or tail"),
    ],
)
def test_impossible_splits_are_refused(arguments, message):
    with pytest.raises(data.DataError, match=message):
        data.split_rows(**{"num_rows": 100, **arguments})
