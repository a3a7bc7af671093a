"""What becomes of classes when rows are translated."""

import numpy as np
import pytest

from tfp_flows.diagnostics import class_shares


def rows(shares, seed):
    """Rows around 0, 10 and 20, by class, in no order."""
    labels = np.random.default_rng(seed).choice(3, p=shares, size=600)
    noise = np.random.default_rng([seed, 1]).normal(size=(600, 2))
    return noise + 10.0 * labels[:, np.newaxis], labels


def test_rows_that_stay_in_their_class_are_kept():
    found = class_shares(*rows([0.2, 0.5, 0.3], 0), *rows([0.2, 0.5, 0.3], 1))
    assert found.labels == [0, 1, 2]
    np.testing.assert_allclose(found.source, [0.2, 0.5, 0.3], atol=0.06)
    np.testing.assert_array_equal([found.kept, found.real], 1.0)
    assert not found.differ


def test_rows_that_change_places_and_shares_are_seen():
    x, labels = rows([0.5, 0.5, 0.0], 0)
    found = class_shares(x, 1 - labels, *rows([0.4, 0.4, 0.2], 1))
    assert found.differ
    assert found.kept[:2] == [0.0, 0.0]
    assert np.isnan(found.kept[2])


def test_shares_of_one_population_differ_at_their_level():
    runs = [
        class_shares(*rows([0.2, 0.5, 0.3], s), *rows([0.2, 0.5, 0.3], [s, 2])).differ
        for s in range(100)
    ]
    assert sum(runs) <= 4


@pytest.mark.parametrize("count", [1, 600])
def test_one_class_is_one_class(count):
    x = np.arange(2.0 * count).reshape(-1, 2)
    found = class_shares(x, np.ones(count), x, np.ones(count))
    assert (found.source, found.differ) == ([1.0], False)
