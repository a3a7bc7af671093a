"""Values, counts and independence of rows."""

import numpy as np
import pytest
import tensorflow as tf
from scipy.integrate import solve_ivp
from scipy.linalg import expm

from tfp_flows.ode import AdaptiveSteps, FixedSteps, Solver, solve

F64 = tf.float64


def tight(tolerance=1e-9, control="row", method="tsit5"):
    return Solver(method, AdaptiveSteps(tolerance, tolerance, control))


def field(t, y):
    """Not linear, depends on time, each row at a speed of its own."""
    return tf.stack(
        [tf.sin(3 * y[:, 1]) * (1 + t[:, 0]), -y[:, 0] * y[:, 2], 0 * y[:, 2]], -1
    )


STARTS = np.concatenate(
    [
        np.random.default_rng(0).normal(size=(6, 2)),
        np.array([[0.1], [1], [3], [0.5], [9], [2]]),
    ],
    1,
)


@pytest.mark.parametrize("method", ["tsit5", "dopri5", "bosh3", "heun"])
@pytest.mark.parametrize("control", ["row", "batch"])
def test_agrees_with_scipy(method, control):
    tolerance = 1e-6 if method == "heun" else 1e-8
    solver = Solver(method, AdaptiveSteps(tolerance, tolerance, control, 20_000))
    found = tf.function(lambda y: solve(field, y, (0.2, 1.7), solver=solver))(
        tf.constant(STARTS)
    )
    found.statistics.check()
    for row, start in zip(found.state, STARTS, strict=True):

        def one(t, y):
            return field(np.full([1, 1], t), y[np.newaxis]).numpy()[0]

        exact = solve_ivp(one, (0.2, 1.7), start, rtol=1e-10, atol=1e-12).y[:, -1]
        np.testing.assert_allclose(row, exact, atol=3e3 * tolerance)


def test_decay_takes_fourteen_calls():
    solver = Solver(steps=AdaptiveSteps(1e-3, 1e-3))
    found = solve(lambda t, y: -y, tf.ones([2, 1]), solver=solver)
    assert found.statistics.calls.numpy().tolist() == [14, 14]
    np.testing.assert_allclose(found.state, np.exp(-1), rtol=1e-3)


@pytest.mark.parametrize("steps", [AdaptiveSteps(1e-5, 1e-5), FixedSteps(7)])
@pytest.mark.parametrize("method", ["tsit5", "heun"])
def test_calls_are_those_that_were_made(steps, method):
    count = 0

    def counted(t, y):
        nonlocal count
        count += 1
        return tf.sin(10 * y) * tf.cos(20 * t)

    found = solve(counted, tf.ones([1, 2]), solver=Solver(method, steps))
    assert found.statistics.calls.numpy() == [count]
    if isinstance(steps, AdaptiveSteps):
        assert found.statistics.rejected.numpy() > 0


def test_a_constant_velocity_needs_no_small_steps():
    found = solve(lambda t, y: tf.ones_like(y), tf.ones([1, 2], F64), (0.0, 3.0))
    np.testing.assert_allclose(found.state, 4.0, rtol=1e-6)
    assert found.statistics.accepted.numpy() <= 3


def test_back_again():
    there = solve(field, tf.constant(STARTS), (0.0, 1.0), solver=tight()).state
    back = solve(field, there, (1.0, 0.0), solver=tight()).state
    np.testing.assert_allclose(back, STARTS, atol=1e-6)


def test_times_keep_the_precision_of_the_state():
    found = solve(lambda t, y: tf.ones_like(y), tf.zeros([1, 1], F64), (0.1, 1.3))
    np.testing.assert_allclose(found.state, [[1.2]], rtol=1e-14)


def test_each_row_has_its_own_times():
    ends = tf.constant([0.5, 1.0, 2.0], F64)
    found = solve(lambda t, y: t * y, tf.ones([3, 1], F64), (0, ends), solver=tight())
    np.testing.assert_allclose(found.state[:, 0], np.exp(ends**2 / 2), rtol=1e-7)


def test_a_row_does_not_notice_the_others():
    @tf.function
    def scores(y):
        return solve(field, y, solver=Solver(steps=AdaptiveSteps(1e-4, 1e-4)))

    y = tf.constant(STARTS, tf.float32)
    together = scores(y)
    for index in range(len(STARTS)):
        alone = scores(y[index : index + 1])
        np.testing.assert_array_equal(alone.state[0], together.state[index])
        assert alone.statistics.calls[0] == together.statistics.calls[index]
    assert len(set(together.statistics.calls.numpy())) > 1


def test_the_rare_row_keeps_its_tolerance_only_with_steps_of_its_own():
    rates = np.ones([500, 1])
    rates[0] = 30.0
    errors = {}
    for control in ("row", "batch"):
        found = solve(
            lambda t, y: rates * tf.cos(rates * t) * y,
            tf.ones([500, 1], F64),
            solver=tight(1e-3, control),
        )
        errors[control] = abs(found.state[0, 0] - np.exp(np.sin(30)))
    assert errors["row"] < 1e-2 < 5e-2 < errors["batch"]


def test_state_is_a_structure_and_the_quadrature_chooses_no_steps():
    def velocity(t, y, c):
        swing = {"a": -y["a"] * c[:, tf.newaxis], "b": tf.reduce_sum(y["a"], -1)}
        return swing, 1e3 * tf.sin(500 * t[:, 0])

    state = {"a": tf.ones([2, 3], F64), "b": tf.zeros([2], F64)}
    c = tf.constant([1.0, 2.0], F64)
    options = {"constants": c, "solver": tight(1e-6)}
    costs = solve(velocity, state, quadrature=tf.zeros([2], F64), **options)
    plain = solve(lambda *args: velocity(*args)[0], state, **options)
    np.testing.assert_allclose(costs.state["a"][:, 0], np.exp(-c), rtol=1e-5)
    np.testing.assert_allclose(costs.state["b"], 3 * (1 - np.exp(-c)) / c, rtol=1e-5)
    np.testing.assert_array_equal(costs.statistics.calls, plain.statistics.calls)
    assert costs.quadrature.shape == [2]
    assert plain.quadrature is None


def test_states_on_the_way():
    a = np.random.default_rng(0).normal(size=(3, 3))
    fractions = [1.0, 0.0, 0.4]
    found = solve(
        lambda t, y: y @ a.T,
        tf.constant(STARTS),
        (0.0, 2.0),
        save_at=fractions,
        solver=tight(),
    )
    for fraction, state in zip(fractions, found.saved, strict=True):
        np.testing.assert_allclose(state, STARTS @ expm(2 * a * fraction).T, atol=1e-6)


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("rows", [0, 1, 5])
def test_any_number_of_rows_in_a_graph(rows, jit_compile):
    @tf.function(jit_compile=jit_compile)
    def run(y):
        return solve(lambda t, y: -y, y)

    found = run(tf.ones([rows, 2]))
    np.testing.assert_allclose(found.state, np.full([rows, 2], np.exp(-1)), rtol=1e-5)
    assert found.statistics.status.shape == [rows]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"state": tf.ones([3])[0]}, r"one row is y\[tf.newaxis\]"),
        ({"velocity": lambda t, y: y[:, :1]}, "expected shape"),
        ({"velocity": lambda t, y: (y, y)}, "structure of the state"),
        ({"velocity": lambda t, y: tf.cast(y, F64)}, "float64"),
        ({"quadrature": tf.zeros([3])}, "slope of the quadrature"),
        ({"save_at": 0.5}, "save_at"),
        ({"state": (tf.ones([3, 2]), tf.ones([3], F64))}, "one floating dtype"),
    ],
)
def test_what_does_not_fit_is_said(arguments, words):
    given = {"velocity": lambda t, y: -y, "state": tf.ones([3, 2])} | arguments
    with pytest.raises(ValueError, match=words):
        solve(**given)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: AdaptiveSteps(rtol=0.0), "rtol"),
        (lambda: AdaptiveSteps(atol=float("nan")), "atol"),
        (lambda: AdaptiveSteps(control="rows"), "control"),
        (lambda: AdaptiveSteps(relative_to="row"), "relative_to"),
        (lambda: AdaptiveSteps(max_steps=0), "max_steps"),
        (lambda: FixedSteps(0), "num_steps"),
        (lambda: Solver("rk5"), "rk4"),
    ],
)
def test_a_setting_out_of_range_is_said(make, words):
    with pytest.raises(ValueError, match=words):
        make()


@pytest.mark.parametrize("control", ["row", "batch"])
def test_errors_relative_to_a_component_do_not_see_where_it_points(control):
    """With those of single numbers turned rows go other ways, to within tolerance."""

    def equivariant(t, y):
        speed = tf.reduce_sum(y**2, axis=-1, keepdims=True)
        around = tf.stack([-y[:, 1], y[:, 0]], axis=-1)
        return 5 * (1 + t) * around - 3 * y / (1 + speed)

    starts = 3 * np.random.default_rng(0).normal(size=[20, 2])
    turn = expm(0.7 * np.array([[0.0, -1.0], [1.0, 0.0]]))
    gaps = {}
    for relative_to in ("feature", "component"):
        steps = AdaptiveSteps(1e-4, 1e-4, control, relative_to=relative_to)
        plain, turned = (
            solve(equivariant, tf.constant(y), solver=Solver(steps=steps))
            for y in (starts, starts @ turn)
        )
        gap = np.abs(plain.state.numpy() @ turn - turned.state)
        gaps[relative_to] = gap.max()
        assert plain.statistics.status.numpy().max() == 0
    assert gaps["component"] < 1e-12 < 1e-7 < gaps["feature"]
    np.testing.assert_array_equal(plain.statistics.calls, turned.statistics.calls)


def test_sizes_whose_squares_overflow_are_sizes():
    steps = AdaptiveSteps(relative_to="component")
    y = tf.constant([[1e30, -2e30], [0.0, 0.0]])
    solution = solve(lambda t, y: -y, y, solver=Solver(steps=steps))
    np.testing.assert_allclose(solution.state, y * np.exp(-1), rtol=1e-4)
