"""Universal laws over the table of bijectors."""

import json

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from tests.cases.bijectors import CASES
from tests.cases.case import parametrize, variants
from tests.weights import perturb
from tfp_flows import bijectors
from tfp_flows.models.bridge.serialization import deserialize, serialize
from tfp_flows.testing import check_bijector

tfb = tfp.bijectors


def arguments_of(case, bijector, rows=6):
    context = case.context(rows)
    if context is None:
        return {}
    return bijectors.context_arguments(bijector, tf.constant(context))


# A context goes to the network alone, whose own tests are quick.
WITH_CONTEXT = [case for case in variants(CASES) if case.context_size]


@pytest.mark.parametrize(**parametrize(CASES, slow=WITH_CONTEXT))
def test_public_audit_passes(case):
    bijector = case.make()
    perturb(bijector)
    check_bijector(
        bijector,
        case.points(),
        event_ndims=len(case.event_shape),
        kwargs=arguments_of(case, bijector),
        exempt=case.exempt,
    )


@pytest.mark.parametrize(**parametrize(CASES))
def test_forward_of_the_same_arguments_is_not_shared(case):
    """TFP serves one bijector's cached values to an equal one."""
    first, second = case.make(), case.make()
    assert first != second
    perturb(first)
    x = tf.constant(case.points())
    before = second.forward(tf.identity(x), **arguments_of(case, second))
    first.forward(x, **arguments_of(case, first))
    after = second.forward(x, **arguments_of(case, second))
    np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize(**parametrize(CASES))
def test_copy_from_arguments_with_the_same_weights_is_the_same_map(case):
    original = case.make()
    perturb(original)
    copy = deserialize(serialize(original))
    assert len(copy.variables) == len(original.variables)
    for source, target in zip(original.variables, copy.variables, strict=True):
        target.assign(source)
    x = tf.constant(case.points())
    y = original.forward(x, **arguments_of(case, original))
    np.testing.assert_array_equal(y, copy.forward(x, **arguments_of(case, copy)))


def in_float32(bijector):
    """The same map, and the same parts in it, in the other dtype."""
    written = json.dumps(serialize(bijector)).replace('"float64"', '"float32"')
    copy = deserialize(json.loads(written))
    for source, target in zip(bijector.variables, copy.variables, strict=True):
        target.assign(tf.cast(source, target.dtype))
    return copy


@pytest.mark.parametrize(**parametrize(CASES))
def test_float32_round_trip(case):
    original = case.make()
    perturb(original)
    copy = in_float32(original)
    context = arguments_of(case, copy)
    x = tf.constant(case.points(), tf.float32)
    y = copy.forward(x, **context)
    back = copy.inverse(tf.identity(y), **context)
    assert back.dtype == tf.float32
    np.testing.assert_allclose(back, x, rtol=0, atol=2e-3)


@pytest.mark.parametrize(
    **parametrize([case for case in CASES if case.context_size is not None])
)
def test_context_matters_and_is_demanded(case):
    bijector = case.make()
    perturb(bijector)
    x = tf.constant(case.points())
    here = bijectors.context_arguments(bijector, tf.constant(case.context()))
    there = bijectors.context_arguments(bijector, tf.constant(1 + case.context()))
    assert (
        np.abs(bijector.forward(x, **here) - bijector.forward(x, **there)).max() > 1e-3
    )
    with pytest.raises(ValueError, match="pass context"):
        bijector.forward(tf.identity(x))
