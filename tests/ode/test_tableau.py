"""The methods as data."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from scipy.linalg import expm

from tfp_flows.ode import METHODS, AdaptiveSteps, FixedSteps, Solver, Tableau, solve

A = np.random.default_rng(0).normal(size=(3, 3))
X = np.random.default_rng(1).normal(size=(5, 3))


@pytest.mark.parametrize("name", METHODS)
def test_error_falls_with_the_order(name):
    errors = []
    for num_steps in (32, 64):
        solver = Solver(name, FixedSteps(num_steps))
        found = solve(lambda t, y: y @ A.T, tf.constant(X), solver=solver).state
        errors.append(np.abs(found - X @ expm(A).T).max())
    measured = np.log2(errors[0] / errors[1])
    assert METHODS[name].order - 0.2 < measured < METHODS[name].order + 0.6


@pytest.mark.parametrize("name", ["tsit5", "dopri5", "bosh3", "heun"])
def test_states_on_the_way_are_of_the_order_below(name):
    errors = []
    fractions = np.array([0.15, 0.55, 0.95])
    exact = np.stack([X @ expm(A * fraction).T for fraction in fractions])
    for num_steps in (16, 32):
        solver = Solver(name, FixedSteps(num_steps))
        found = solve(
            lambda t, y: y @ A.T, tf.constant(X), save_at=fractions, solver=solver
        ).saved
        errors.append(np.abs(found - exact).max())
    order = min(METHODS[name].order, 4)
    assert np.log2(errors[0] / errors[1]) > order - 0.4


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("c", (0.0, 1 / 2, 3 / 4, 0.9), "row sums"),
        ("b", (2 / 9, 1 / 3, 4 / 9, 1e-6), "expected order 3"),
        ("error", (0.1, -0.1, 0.1, 0.0), "b − error"),
        ("dense", tuple((weight,) for weight in METHODS["bosh3"].b), "dense"),
        ("a", ((), (0.5,), (0.75,), (2 / 9, 1 / 3, 4 / 9)), "a, c"),
    ],
)
def test_a_wrong_number_is_refused(field, value, words):
    with pytest.raises(ValueError, match=words):
        dataclasses.replace(METHODS["bosh3"], **{field: value})


def test_a_new_method_is_one_tableau():
    ralston = Tableau(order=2, a=[[], [2 / 3]], b=[1 / 4, 3 / 4], c=[0.0, 2 / 3])
    solver = Solver(ralston, FixedSteps(50))
    found = solve(lambda t, y: -y, tf.ones([1, 1], tf.float64), solver=solver).state
    np.testing.assert_allclose(found, np.exp(-1), rtol=1e-4)
    with pytest.raises(ValueError, match="estimates no error"):
        Solver(ralston, AdaptiveSteps())
