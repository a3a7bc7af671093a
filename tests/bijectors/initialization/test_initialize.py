"""Parts that are set from the data as it arrives at them."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from tfp_flows import bijectors
from tfp_flows.bijectors import initialize, is_initialized

tfb = tfp.bijectors
F64 = {"dtype": "float64"}


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def norm(size, name="norm"):
    return bijectors.ActNorm(size, name=name, **F64)


def test_each_part_is_set_from_the_output_of_those_before_it(rng):
    x = tf.constant(5 + 2 * rng.normal(size=(50, 3)))
    first, second = norm(3), bijectors.Standardize(3, **F64)
    chain = tfb.Chain([second, tfb.Invert(tfb.Softplus()), tfb.Softplus(), first])
    z = initialize(tfb.Invert(tfb.Invert(chain)), x)
    np.testing.assert_allclose(z, chain.forward(tf.identity(x)))
    np.testing.assert_allclose(np.mean(z, 0), 0, atol=1e-9)
    np.testing.assert_allclose(np.std(first.forward(x), 0), 1)
    assert is_initialized(first)
    assert is_initialized(second)


def test_the_levels_of_multiscale_are_set_from_what_stays(rng):
    levels = [
        tfb.Chain([norm(4, "one"), bijectors.Squeeze((4, 4, 1), **F64)], name="low"),
        norm(2, "two"),
    ]
    flow = bijectors.MultiScale((4, 4, 1), levels, **F64)
    z = initialize(flow, tf.constant(3 + rng.normal(size=(40, 4, 4, 1))))
    first, last = np.split(np.asarray(z), [8], axis=-1)
    for part in (first, last):
        by_channel = part.reshape(-1, 2)
        np.testing.assert_allclose(by_channel.mean(0), 0, atol=1e-9)
        np.testing.assert_allclose(by_channel.std(0), 1)


def test_what_was_set_before_stays_unless_anew(rng):
    x = tf.constant(rng.normal(size=(50, 2)))
    layer = norm(2)
    layer.initialize(7 + x)
    before = layer.shift.numpy()
    initialize(tfb.Chain([layer]), x, anew=False)
    np.testing.assert_array_equal(layer.shift, before)
    # Nothing is to be set: the direction does not matter.
    initialize(tfb.Invert(layer), x, anew=False)
    initialize(layer, x)
    assert np.all(np.abs(layer.shift - before) > 5)


def test_data_at_the_output_is_refused(rng):
    x = tf.constant(rng.normal(size=(50, 2)))
    with pytest.raises(ValueError, match=r"norm sets .* Wrap it in tfb\.Invert"):
        initialize(tfb.Invert(norm(2)), x)
    levels = bijectors.MultiScale((4, 4, 1), [bijectors.Squeeze((4, 4, 1))])
    with pytest.raises(ValueError, match=r"multiscale sets .* Wrap it in tfb\.Invert"):
        initialize(tfb.Invert(levels), tf.zeros([5, 16]), anew=False)


def test_context_statistics_are_set_with_the_flow(rng):
    x, context = rng.normal(size=(30, 3)), 9 + rng.normal(size=(30, 2))
    layer = bijectors.Coupling(3, context_size=2, hidden_sizes=[4], **F64)
    flow = tfb.Chain([layer])
    arguments = bijectors.context_arguments(flow, tf.constant(context))
    initialize(flow, tf.constant(x), **arguments)
    np.testing.assert_allclose(layer.network.context_mean, context.mean(0))


@pytest.mark.parametrize("layer", [norm(2), bijectors.Whiten(2, name="norm", **F64)])
@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((4, 3)), "expects rows of 2 features"),
        (np.zeros((1, 2)), "needs at least two rows"),
        (np.full((4, 2), np.nan), "received a non-finite value"),
        (np.ones((4, 2)), "received a constant feature"),
    ],
)
def test_messages_name_the_method_that_was_called(layer, x, message):
    with pytest.raises(ValueError, match=rf"^norm\.initialize {message}"):
        layer.initialize(x)
