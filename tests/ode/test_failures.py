"""What cannot go on is marked, ends in time, and leaves the others alone."""

import numpy as np
import pytest
import tensorflow as tf

from tfp_flows.ode import AdaptiveSteps, FixedSteps, SolveError, Solver, Status, solve


def explosion(t, y):
    """Reaches infinity at t = 1/y."""
    return y**2


def not_a_number(t, y):
    return tf.where(y > 1.5, tf.constant(float("nan")), -y)


def stiff(t, y):
    return 1e4 * tf.cos(1e4 * t) * tf.cast(y > 1.5, y.dtype) - y


CASES = [
    (explosion, 2.0, (Status.STEP_UNDERFLOW, Status.NOT_FINITE, Status.TOO_MANY_STEPS)),
    (not_a_number, 2.0, (Status.NOT_FINITE,)),
    (stiff, 9.0, (Status.TOO_MANY_STEPS,)),
    (lambda t, y: -y, float("nan"), (Status.NOT_FINITE,)),
    (lambda t, y: -y, float("inf"), (Status.NOT_FINITE,)),
]


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize(("velocity", "start", "expected"), CASES)
def test_a_failing_row_is_marked_and_others_do_not_notice(
    velocity, start, expected, jit_compile
):
    @tf.function(jit_compile=jit_compile)
    def run(y):
        return solve(velocity, y)

    found = run(tf.constant([[0.3], [start], [0.5]]))
    alone = run(tf.constant([[0.3]]))
    status = found.statistics.status.numpy()
    assert status[[0, 2]].tolist() == [0, 0]
    assert status[1] in expected
    np.testing.assert_allclose(found.state[0], alone.state[0], rtol=1e-6)
    assert found.statistics.calls[0] == alone.statistics.calls[0]


@pytest.mark.parametrize("steps", [AdaptiveSteps(control="batch"), FixedSteps(5)])
def test_a_row_of_nan_takes_no_part_in_a_shared_step(steps):
    solver = Solver(steps=steps)
    y = tf.constant([[0.3], [0.5]])
    found = solve(not_a_number, tf.concat([y, [[float("nan")]]], 0), solver=solver)
    healthy = solve(not_a_number, y, solver=solver)
    np.testing.assert_array_equal(found.state[:2], healthy.state)
    assert found.statistics.status.numpy().tolist() == [0, 0, Status.NOT_FINITE]


def test_a_row_that_dies_on_the_way_lets_a_shared_step_go_on():
    solver = Solver(steps=AdaptiveSteps(control="batch"))
    found = solve(explosion, tf.constant([[0.3], [1.7]]), solver=solver)
    assert found.statistics.status[0] == 0
    assert found.statistics.failed[1]
    np.testing.assert_allclose(found.state[0], 0.3 / 0.7, rtol=1e-4)


def test_one_message_says_which_rows_and_what_to_do():
    found = solve(not_a_number, tf.constant([[0.3], [2.0], [0.5], [3.0]]))
    with pytest.raises(SolveError, match=r"Of 4 rows .* 2 \(the first is row 1\) met"):
        found.statistics.check()
    assert solve(not_a_number, tf.constant([[0.3]])).statistics.message() is None


def test_the_last_state_reached_is_returned():
    found = solve(explosion, tf.constant([[2.0]]))
    assert np.isfinite(found.state).all()
    assert found.state[0, 0] > 2.0
