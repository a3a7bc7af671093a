"""Solving a masked network by blocks of degrees."""

import numpy as np
import pytest
import tensorflow as tf

from tests.weights import perturb
from tfp_flows.bijectors import MaskedAutoregressive
from tfp_flows.ops import RationalQuadratic


def by_evaluations(bijector, y, context):
    """x by one evaluation of the whole network a feature."""
    x = tf.zeros_like(y)
    for _ in range(bijector.event_size):
        parameters = bijector.network(x, context)
        x, log_slope = bijector.transform.inverse(y, parameters)
    return x, tf.reduce_sum(log_slope, axis=-1)


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-12)]
)
@pytest.mark.parametrize(
    ("size", "hidden_sizes", "context_size"),
    [
        (1, (4,), None),
        (2, (), None),
        (7, (), 2),
        (7, (3, 5), None),  # Fewer units than features: degrees without a unit.
        (11, (25, 4, 30), 2),
    ],
)
def test_solution_is_that_of_an_evaluation_a_feature(
    size, hidden_sizes, context_size, dtype, tolerance
):
    bijector = MaskedAutoregressive(
        size,
        transform=RationalQuadratic(),
        hidden_sizes=hidden_sizes,
        context_size=context_size,
        activation="tanh",
        dtype=dtype,
    )
    perturb(bijector)
    rng = np.random.default_rng(0)
    y = tf.constant(2 * rng.normal(size=[2, 3, size]), dtype)
    context = None
    if context_size is not None:
        context = tf.constant(rng.normal(size=[3, context_size]), dtype)
    arguments = {} if context is None else {"context": context}
    x, log_det = by_evaluations(bijector, y, context)
    solved = bijector.inverse(y, **arguments)
    np.testing.assert_allclose(solved, x, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(
        bijector.inverse_log_det_jacobian(tf.identity(y), **arguments),
        log_det,
        rtol=tolerance,
        atol=size * tolerance,
    )


def test_gradient_is_that_of_an_evaluation_a_feature():
    bijector = MaskedAutoregressive(
        5, hidden_sizes=(8, 3), activation="tanh", dtype="float64"
    )
    perturb(bijector)
    y = tf.constant(np.random.default_rng(0).normal(size=[4, 5]))

    def gradients(solve):
        with tf.GradientTape() as tape:
            tape.watch(y)
            x, log_det = solve(y)
            loss = tf.reduce_sum(x**3) + tf.reduce_sum(log_det)
        return tape.gradient(loss, [y, *bijector.trainable_variables])

    fast = tf.function(gradients)(bijector._inverse_and_log_det)
    slow = gradients(lambda y: by_evaluations(bijector, y, None))
    for ours, reference in zip(fast, slow, strict=True):
        np.testing.assert_allclose(ours, reference, rtol=1e-10, atol=1e-12)


def test_no_rows_give_none():
    bijector = MaskedAutoregressive(5, hidden_sizes=(8, 3))
    assert bijector.inverse(tf.zeros([2, 0, 5])).shape == [2, 0, 5]
