"""Rows that no density fits are found, and named with a remedy."""

import time

import numpy as np
import pytest

from tfp_flows import data, screening
from tfp_flows.screening import repeats


def table(values, **fields):
    names = tuple("abcdefgh"[: values.shape[1]])
    return data.Table("t", values, names, **fields)


@pytest.fixture
def good():
    return np.random.default_rng(0).normal(size=(400, 3))


def test_a_rating_is_named_with_value_share_and_step(good):
    good[:, 1] = 0.5 * np.random.default_rng(1).integers(1, 11, size=400)
    good[:100, 1] = 3.0
    with pytest.raises(data.DataError) as caught:
        data.check(table(good))
    share = np.mean(good[:, 1] == 3.0)
    assert f"'b' has the value 3 in {share:.1%} of the rows" in str(caught.value)
    assert "step 0.5" in str(caught.value)
    assert "exclude=['b']" in str(caught.value)
    assert data.check(table(good), integers="dequantize") == ()
    (note,) = data.check(table(good), integers="continuous")
    assert "rise without bound" in str(note)
    found = data.describe(table(good))
    assert found.grid == (("b", 0.5),)
    assert "spikes     b (3 in " in found.text()


def test_a_spike_off_any_grid_is_not_dequantized(good):
    good[:150, 0] = 0.0
    for policy in ("refuse", "dequantize"):
        with pytest.raises(data.DataError, match="'a' has the value 0 in 37.5%"):
            data.check(table(good), integers=policy)
    assert data.describe(table(good)).grid == ()


@pytest.mark.parametrize("step", [0.1, 0.5, 1 / 3, 2.5])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_steps_are_found_in_rounded_numbers(step, dtype):
    values = step * np.random.default_rng(0).integers(-20, 20, size=[2_000, 1])
    (spike,) = repeats.spikes(values.astype(dtype))
    np.testing.assert_allclose(spike.step, step, rtol=1e-6)


def test_whole_numbers_beyond_the_precision_tell_nothing(good):
    wide = np.column_stack([good, 1e25 * np.exp(0.3 * good[:, 0] ** 2)])
    data.check(table(wide))
    assert not repeats.whole(np.array([[2.0**24]], "float32")).any()
    assert repeats.whole(np.array([[2.0**24]], "float64")).all()


def test_tiny_numbers_and_fine_context_are_refused_by_name(good):
    with pytest.raises(data.DataError, match="'c' reaches no more .* multiply it by"):
        data.check(table(good * [1.0, 1.0, 1e-40]))
    data.check(table(good * [1.0, 1.0, 1e-35]))
    seconds = 1.7e9 + np.random.default_rng(1).uniform(0, 600, size=[400, 1])
    with pytest.raises(data.DataError, match="'k' varies by less .* subtract"):
        data.check(table(good, context=seconds, context_columns=("k",)))


def test_copied_rows_are_counted_and_stay_together(good):
    order = np.random.default_rng(2).permutation(4_000)
    copies = np.repeat(good[:200], 20, axis=0)[order]
    (note,) = data.check(table(copies))
    assert "4,000 rows hold 200 distinct ones" in str(note)
    assert "distinct   200 rows" in data.describe(table(copies)).text()
    few = np.column_stack([copies, copies**2, copies[:, :2] ** 3, copies**4])[:, :8]
    with pytest.raises(data.DataError, match="80 distinct rows.*received 79"):
        data.check(table(few[np.isin(copies[:, 0], good[:79, 0])]))
    for how in ("random", "tail"):
        keys = screening.row_keys(copies)
        split = data.split_rows(4_000, how=how, keys=keys)
        parts = [split.train, split.validation, split.test]
        np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(4_000))
        seen = [set(keys[part].tolist()) for part in parts]
        assert sum(map(len, seen)) == 200
        assert abs(len(split.test) - 400) <= 20


def test_rows_without_copies_are_split_as_before(good):
    keys = screening.row_keys(good)
    for one, other in zip(
        vars(data.split_rows(400, keys=keys)).values(),
        vars(data.split_rows(400)).values(),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)


def test_rows_of_whole_numbers_repeat_by_nature():
    dice = np.random.default_rng(0).integers(1, 7, size=[4_000, 2]).astype(float)
    assert data.describe(table(dice)).num_distinct == 4_000
    assert data.check(table(dice), integers="dequantize") == ()


def test_keys_tell_rows_apart():
    rows = np.random.default_rng(0).integers(-2, 3, size=[5_000, 4]) * 1.0
    rows[rows == 0] *= np.random.default_rng(1).choice([-1.0, 1.0], (rows == 0).sum())
    _, expected = np.unique(rows + 0.0, axis=0, return_inverse=True)
    _, found = np.unique(screening.row_keys(rows), return_inverse=True)
    pairs = np.unique(np.column_stack([expected.ravel(), found.ravel()]), axis=0)
    assert len(pairs) == expected.max() + 1 == found.max() + 1


def test_one_extreme_row_makes_no_copies(good):
    good[3] = 1e30
    data.check(table(good))


def test_a_suspicion_from_some_rows_is_checked_on_all():
    values = np.random.default_rng(0).normal(size=[60_000, 3])
    values[:, 2] = values[:, 0] + values[:, 1]
    with pytest.raises(data.DataError, match="is a linear function of"):
        data.check(table(values))
    untouched = np.random.default_rng(0).choice(60_000, 20_000, replace=False)
    values[np.setdiff1d(np.arange(60_000), untouched), 2] += 1.0
    data.check(table(values))


def test_a_large_table_is_screened_in_seconds():
    values = np.random.default_rng(0).normal(size=[200_000, 50])
    start = time.process_time()
    data.check(data.Table("t", values, tuple(f"x{i}" for i in range(50))))
    # A second of a million rows on an idle machine; this is a fifth of it.
    assert time.process_time() - start < 5.0
