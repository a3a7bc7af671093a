"""The arguments that a TFP object of this package is rebuilt from."""

import copy
import inspect

import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tests.cases.bijectors import CASES as BIJECTORS
from tests.cases.case import parametrize
from tests.cases.distributions import CASES as DISTRIBUTIONS
from tfp_flows.bijectors import Permutation, TrainableBijector
from tfp_flows.bijectors.recorded_parameters import RecordedParameters


class Scaled(TrainableBijector):
    def __init__(self, factor, *, power=1, **kwargs):
        self.factor = factor
        kwargs.setdefault("name", "scaled")
        super().__init__(parameters={"power": 2 * power}, **kwargs)

    def _forward_and_log_det(self, x):
        return self.factor * x, tf.math.log(self.factor)

    def _inverse_and_log_det(self, y):
        return y / self.factor, -tf.math.log(self.factor)


class Twice(Scaled):
    def __init__(self, *, dtype="float64"):
        super().__init__(2.0, power=3, dtype=dtype)


class Shape(RecordedParameters, tfd.Distribution):
    def __init__(self, sizes, dtype="float32", name="shape"):
        self.sizes = sizes
        super().__init__(
            dtype=tf.as_dtype(dtype),
            reparameterization_type=tfd.NOT_REPARAMETERIZED,
            validate_args=False,
            allow_nan_stats=True,
            name=name,
        )

    @classmethod
    def _parameter_properties(cls, dtype, num_classes=None):
        return {}


@pytest.mark.parametrize(**parametrize(BIJECTORS + DISTRIBUTIONS))
def test_parameters_are_the_arguments_of_the_constructor(case):
    made = case.make()
    _, *arguments = inspect.signature(type(made).__init__).parameters
    assert list(made.parameters) == arguments


def test_defaults_and_open_keywords_are_recorded():
    made = Scaled(3.0, validate_args=True)
    assert made.parameters == {"factor": 3.0, "power": 2, "validate_args": True}


def test_the_call_of_the_class_that_was_asked_for_is_recorded():
    assert Twice(dtype=tf.float32).parameters == {"dtype": "float32"}
    assert Twice().copy().dtype == tf.float64


def test_a_list_that_its_caller_changes_stays_as_it_was_passed():
    sizes = [2, 3]
    made = Shape(sizes)
    sizes.append(4)
    assert made.parameters == {"sizes": (2, 3), "dtype": "float32", "name": "shape"}


def test_copies_have_the_changed_argument():
    assert Shape([1], tf.float64).copy(sizes=(5,)).parameters == {
        "sizes": (5,),
        "dtype": "float64",
        "name": "shape",
    }
    assert copy.copy(Shape([1])).parameters["sizes"] == (1,)


def test_a_random_order_is_recorded_as_it_was_drawn():
    made = Permutation(5, order="random")
    assert made.copy().order.tolist() == made.order.tolist()


def test_a_wrong_call_is_refused_in_the_words_of_python():
    with pytest.raises(TypeError, match=r"Scaled.__init__\(\) missing .*'factor'"):
        Scaled()
    with pytest.raises(TypeError, match=r"Twice.__init__\(\) got an unexpected"):
        Twice(size=3)


def test_signatures_stay_readable():
    assert list(inspect.signature(Twice).parameters) == ["dtype"]
    assert list(inspect.signature(Shape).parameters) == ["sizes", "dtype", "name"]
