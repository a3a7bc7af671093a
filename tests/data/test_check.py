"""Each kind of unusable table is named before anything is trained on it."""

import dataclasses

import numpy as np
import pytest

from tfp_flows import data


def table(values, **fields):
    names = tuple("abcdefgh"[: values.shape[1]])
    return data.Table("t", values, names, **fields)


@pytest.fixture
def good():
    return np.random.default_rng(0).normal(size=(200, 3))


def test_good_table_passes(good):
    data.check(table(good))


def test_invalid_rows_are_counted_and_located(good):
    good[7, 1] = np.nan
    good[9, 2] = np.inf
    with pytest.raises(
        data.DataError,
        match="2 of 200 rows .* first in row 8, column 'b', .*drop_invalid=True$",
    ):
        data.check(table(good))
    kept = table(good).drop_invalid()
    assert (kept.num_rows, kept.dropped) == (198, 2)
    data.check(kept)


def test_invalid_last_row_hints_at_truncation(good):
    good[-1, 2] = np.nan
    with pytest.raises(data.DataError, match="is the file truncated"):
        data.check(table(good))


def test_invalid_context_is_found(good):
    context = np.arange(200.0)[:, None]
    context[3] = np.nan
    with pytest.raises(data.DataError, match="row 4, column 'hour'"):
        data.check(table(good, context=context, context_columns=("hour",)))


def test_all_rows_invalid_is_refused(good):
    with pytest.raises(data.DataError, match="every row"):
        table(np.full_like(good, np.nan)).drop_invalid()


def test_constant_and_copied_columns_share_one_remedy(good):
    wide = np.column_stack([good, np.ones(200), 3.0 - 2.0 * good[:, 1]])
    with pytest.raises(data.DataError, match=r"exclude=\['d', 'e'\]$"):
        data.check(table(wide))
    description = data.describe(table(wide))
    assert description.constant == ("d",)
    assert description.duplicated == (("b", "e"),)


def test_linearly_dependent_columns_are_refused(good):
    wide = np.column_stack([good, good @ [1.0, -2.0, 0.5]])
    with pytest.raises(data.DataError, match="is a linear function of"):
        data.check(table(wide))
    noisy = wide + 1e-4 * np.random.default_rng(1).normal(size=wide.shape)
    data.check(table(noisy))


def test_row_counter_is_refused(good):
    good[:, 1] = np.arange(200) * 0.1
    with pytest.raises(data.DataError, match=r"'b' counts the rows.*exclude=\['b'\]$"):
        data.check(table(good))


def test_too_few_rows_are_refused(good):
    with pytest.raises(data.DataError, match="at least 30 rows.*received 29"):
        data.check(table(good[:29]))
    data.check(table(good[:30]))


def test_integers_are_refused_unless_allowed(good):
    good[:, 2] = np.rint(10.0 * good[:, 2])
    with pytest.raises(data.DataError, match=r"\(c\).*integers='dequantize'"):
        data.check(table(good))
    data.check(table(good), integers="dequantize")
    data.check(table(good), integers="continuous")


def test_numbers_beyond_float32_are_refused(good):
    with pytest.raises(data.DataError, match="beyond the range of float32"):
        data.check(table(good * 1e300))
    with pytest.raises(data.DataError, match="'a' varies by less than float32"):
        data.check(table(good + [1e9, 0.0, 0.0]))


def test_constant_context_is_refused(good):
    with pytest.raises(data.DataError, match="context column 'k' has one value"):
        data.check(table(good, context=np.ones([200, 1]), context_columns=("k",)))


def test_context_that_determines_a_modeled_column_is_refused(good):
    rng = np.random.default_rng(1)
    wide = {"context_columns": ("k", "m")}
    other = rng.normal(size=200)
    copy = np.column_stack([other, 1.0 - 3.0 * good[:, 1]])
    with pytest.raises(data.DataError, match=r"'m' repeats 'b'.*exclude=\['m'\]$"):
        data.check(table(good, context=copy, **wide))
    linear = np.column_stack([other, good[:, 0] + other - good[:, 2]])
    with pytest.raises(data.DataError, match="'k' is a linear function of m, a, c"):
        data.check(table(good, context=linear, **wide))
    # One-hot classes depend on each other, which is no harm.
    label = (other > 0).astype(float)
    data.check(table(good, context=np.column_stack([label, 1 - label]), **wide))


def test_context_beyond_float32_is_refused(good):
    with pytest.raises(data.DataError, match="'k' reaches .* beyond the range"):
        data.check(table(good, context=1e60 * good[:, :1] ** 2, context_columns=("k",)))


def test_images_may_have_constant_integer_columns():
    digits = data.load("digits")
    assert (np.ptp(digits.values, axis=0) == 0).any()
    data.check(digits)


def test_description_lists_what_was_found(good):
    good[:, 0] = np.rint(good[:, 0])
    good[:120, 1] = 0.0
    found = data.describe(dataclasses.replace(table(good), dropped=4))
    assert found.integers == ("a",)
    assert found.discrete == ("a", "b")
    assert "dropped    4" in found.text()
    assert "integers   a" in found.text()
    assert "16" not in found.text()
    assert (
        "images 8 x 8 x 1, 17 gray levels" in data.describe(data.load("digits")).text()
    )
