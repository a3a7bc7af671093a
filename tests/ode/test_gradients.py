"""Gradients against central differences in float64, with rows on different steps."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from tfp_flows.ode import (
    AdaptiveSteps,
    ContinuousAdjoint,
    DiscreteAdjoint,
    FixedSteps,
    Solver,
    solve,
)

RNG = np.random.default_rng(0)
WEIGHTS = tf.Variable(RNG.normal(size=(3, 3)))
INPUTS = {
    "x": RNG.normal(size=(4, 3)),
    "end": np.array(1.3),
    "constants": RNG.normal(size=(4, 3)) * [[0.3], [1], [3], [9]],
    "captured": np.array([0.5]),
}
MASK = np.array([True, True, False, True])
ON_SAVED = RNG.normal(size=(4, 4, 3))


def loss(solver, x, end, constants, captured):
    """Uses everything that a solve returns; reads a variable and a tensor."""
    scale = tf.exp(captured)

    def velocity(t, y, given):
        context, mask = given
        v = scale * tf.tanh(y @ tf.transpose(WEIGHTS) + context) * tf.cos(t)
        v *= tf.cast(mask, v.dtype)[:, tf.newaxis]
        return v, tf.reduce_sum(y**2, -1)

    found = solve(
        velocity,
        x,
        (0.1, end),
        constants=(constants, MASK),
        quadrature=tf.zeros([4], tf.float64),
        save_at=[0.0, 0.7, 0.3, 1.0],
        solver=solver,
    )
    terms = [found.state**2, found.saved * ON_SAVED, found.quadrature]
    return tf.add_n([tf.reduce_sum(term) for term in terms]), found.statistics


def gradients(solver, **options):
    inputs = {name: tf.constant(value) for name, value in INPUTS.items()}

    def run():
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            value, statistics = loss(solver, **inputs)
        sources = {**inputs, "weights": WEIGHTS}
        return value, tape.gradient(value, sources), statistics

    return tf.function(run, autograph=False, **options)() if options else run()


def along(loss, name, direction, step=1e-5):
    """The derivative along a direction, by central differences."""
    values = []
    for sign in (1, -1):
        inputs = {key: tf.constant(value) for key, value in INPUTS.items()}
        if name == "weights":
            WEIGHTS.assign_add(sign * step * direction)
        else:
            inputs[name] = inputs[name] + sign * step * direction
        values.append(loss(**inputs))
        if name == "weights":
            WEIGHTS.assign_sub(sign * step * direction)
    return (values[0] - values[1]) / (2 * step)


TIGHT = AdaptiveSteps(1e-9, 1e-9)
POLICIES = [
    (DiscreteAdjoint(), TIGHT, 1e-7),
    (DiscreteAdjoint(), FixedSteps(9), 1e-8),
    (ContinuousAdjoint(), TIGHT, 1e-6),
    # On the way back a quadrature stands between the components.
    (ContinuousAdjoint(), dataclasses.replace(TIGHT, relative_to="component"), 1e-6),
]


@pytest.mark.parametrize(("gradient", "steps", "tolerance"), POLICIES)
def test_against_differences(gradient, steps, tolerance):
    solver = Solver(steps=steps, gradient=gradient)
    _, found, statistics = gradients(solver, jit_compile=False)
    if isinstance(steps, AdaptiveSteps):
        assert len(set(statistics.accepted.numpy())) > 1
    value_of = tf.function(lambda **inputs: loss(solver, **inputs)[0], autograph=False)
    for name, value in found.items():
        direction = RNG.normal(size=value.shape)
        expected = along(value_of, name, direction)
        received = tf.reduce_sum(value * direction)
        np.testing.assert_allclose(received, expected, rtol=tolerance, err_msg=name)


@pytest.mark.parametrize("steps", [AdaptiveSteps(1e-3, 1e-3), FixedSteps(3)])
def test_the_walk_back_is_what_a_tape_finds(steps):
    """Eagerly every operation is on the tape; at large tolerance exactness shows."""
    solver = Solver(steps=steps)
    value, recorded, _ = gradients(solver)
    for options in ({"jit_compile": False}, {"jit_compile": True}):
        other, walked, _ = gradients(solver, **options)
        np.testing.assert_allclose(other, value, rtol=1e-12)
        for name, expected in recorded.items():
            np.testing.assert_allclose(
                walked[name], expected, rtol=1e-9, atol=1e-12, err_msg=name
            )


def test_the_way_back_has_a_tolerance_of_its_own():
    exact = gradients(Solver(steps=TIGHT), jit_compile=False)[1]["x"]
    errors = []
    for tolerance in (1e-2, 1e-8):
        back = ContinuousAdjoint(AdaptiveSteps(tolerance, tolerance))
        found = gradients(Solver(steps=TIGHT, gradient=back), jit_compile=False)[1]["x"]
        errors.append(np.abs(found - exact).max())
    assert errors[1] < 1e-6 < errors[0] < 0.3


def test_continuous_adjoint_reaches_tensors_eagerly():
    solver = Solver("rk4", FixedSteps(12), gradient=ContinuousAdjoint())
    found = gradients(solver)[1]["captured"]
    expected = gradients(Solver(steps=TIGHT), jit_compile=False)[1]["captured"]
    np.testing.assert_allclose(found, expected, rtol=1e-2)


@pytest.mark.parametrize("steps", [FixedSteps(1), AdaptiveSteps(1.0, 1.0, "batch")])
def test_a_large_gradient_has_its_second_call(steps):
    """Above 200 MB sums of loop variables are buffers that the loop left over."""

    @tf.function(autograph=False)
    def on_start(y):
        def velocity(t, y):
            return tf.sin(y) * (1 + t)

        with tf.GradientTape() as tape:
            tape.watch(y)
            end = solve(velocity, y, (0.0, 1.0), solver=Solver(steps=steps)).state
        return tape.gradient(end, y)

    y = tf.zeros([12_000, 1000]) + tf.linspace(-1.0, 1.0, 1000)
    first = on_start(y)
    # Such buffers add their terms in the order in which these come.
    np.testing.assert_allclose(on_start(y), first, rtol=1e-4)
    np.testing.assert_allclose(first[-1], first[0], rtol=1e-4)
