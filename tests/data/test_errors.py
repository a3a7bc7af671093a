"""Messages speak of arguments; who offers these under other names spells them anew."""

import pathlib
import pickle
import re

import pandas as pd
import pytest

from tfp_flows import data
from tfp_flows.data.errors import Argument, listing


@pytest.fixture
def error():
    words = "leave it out with ", Argument("exclude", ["a", "b"])
    return data.DataError(*words, " or ", Argument("columns"), ".")


def test_message_names_arguments_as_a_caller_writes_them(error):
    assert str(error) == "leave it out with exclude=['a', 'b'] or columns=…."
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_arguments_are_spelled_anew_and_nothing_else(error):
    spelled = error.spelled(lambda name, value: f"<{name} {value}>")
    assert spelled == "leave it out with <exclude ['a', 'b']> or <columns None>."
    plain = data.DataError("a column named exclude=['a']")
    assert plain.spelled(lambda name, value: "") == str(plain)


def test_a_remedy_that_nobody_can_give_falls_with_its_words():
    lead, otherwise = "leave it out with ", "mend it"
    remedy = Argument("exclude", lead=lead, otherwise=otherwise)
    error = data.DataError("empty: ", remedy)
    assert str(error) == "empty: leave it out with exclude=…"
    assert error.spelled(lambda name, value: name) == "empty: leave it out with exclude"
    assert error.spelled(lambda name, value: None) == "empty: mend it"


def test_no_message_names_a_flag():
    for path in pathlib.Path(data.__file__).parent.rglob("*.py"):
        assert not re.search("--[a-z]", path.read_text()), path


def test_listing_counts_what_it_leaves_out():
    assert listing("abc") == "a, b, c"
    assert listing("abcde", 2) == "a, b and 3 more"
    assert listing(()) == ""


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_dates_are_refused_with_what_to_do(tmp_path, ending):
    path = tmp_path / f"table{ending}"
    frame = pd.DataFrame({"day": pd.date_range("2020-01-01", periods=9), "a": range(9)})
    frame.to_csv(path, index=False) if ending == ".csv" else frame.to_parquet(path)
    with pytest.raises(data.DataError, match="'day' is not numeric .*2020-01-01") as no:
        data.read_table(path)
    assert "leave the column out with exclude=['day']" in str(no.value)
