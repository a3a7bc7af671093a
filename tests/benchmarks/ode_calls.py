"""Calls of a velocity that a solve takes, against `tfp.math.ode`.

    python -m tests.benchmarks.ode_calls [--rows 256] [--scale 2]

Decay: dz/dt = −z on [0, 1] at tolerance 1e-3. Stiff net:
dz/dt = s W₂ tanh(s W₁ z + 2t) on [0, 1], s the scale, 8 numbers, 64 hidden units,
weights of a fixed seed; the error is the root mean square of z(1) beside a float64
solve at 1e-12. TFP has one step for the whole
batch, so ours has too (control="batch"); "row" is the most that one row of ours took.
Calls at equal error are read off the line through log error and log calls of the two
nearest tolerances. TFP does not count its first call; here the velocity counts.
"""

import argparse

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfp_flows.ode import AdaptiveSteps, Solver, solve

TOLERANCES = 10.0 ** -np.arange(3, 7.5, 0.5)


def decay(t, z):
    return -z


def stiff_net(size=8, hidden=64, scale=2.0):
    rng = np.random.default_rng(0)
    inner = scale * rng.normal(size=(size, hidden)) / np.sqrt(size)
    outer = scale * rng.normal(size=(hidden, size)) / np.sqrt(hidden)

    def velocity(t, z):
        w1, w2 = tf.constant(inner, z.dtype), tf.constant(outer, z.dtype)
        return tf.tanh(z @ w1 + 2 * t) @ w2

    return velocity


def ours(velocity, z, tolerance, control="batch", method="tsit5"):
    """Largest number of calls of a row, and z(1)."""
    steps = AdaptiveSteps(tolerance, tolerance, control, max_steps=4096)
    solution = tf.function(
        lambda z: solve(velocity, z, solver=Solver(method, steps)), autograph=False
    )(z)
    return int(tf.reduce_max(solution.statistics.calls)), solution.state.numpy()


def theirs(velocity, z, tolerance):
    """Calls, counted by the velocity itself, and z(1)."""
    calls = tf.Variable(0)

    def counting(t, z):
        calls.assign_add(1)
        return velocity(t, z)

    solver = tfp.math.ode.DormandPrince(rtol=tolerance, atol=tolerance)
    found = tf.function(
        lambda z: solver.solve(counting, 0.0, z, solution_times=[1.0]).states[-1],
        autograph=False,
    )(z)
    return int(calls), found.numpy()


def calls_at(error, points):
    """Calls at an error, between the two tolerances around it."""
    calls, errors = np.log(np.array(points)[::-1]).T
    return float(np.exp(np.interp(np.log(error), errors, calls)))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=256)
    parser.add_argument("--scale", type=float, default=2.0)
    options = parser.parse_args()
    ones = tf.ones([1, 1])
    print(
        f"decay at 1e-3: ours {ours(decay, ones, 1e-3)[0]} calls, tfp.math.ode "
        f"{theirs(decay, ones, 1e-3)[0]}"
    )
    velocity = stiff_net(scale=options.scale)
    start = np.random.default_rng(1).normal(size=(options.rows, 8))
    z = tf.constant(start)
    _, exact = ours(velocity, z, 1e-12, method="dopri5")
    solvers = {
        "tfp.math.ode": lambda tolerance: theirs(velocity, z, tolerance),
        "tsit5, batch": lambda tolerance: ours(velocity, z, tolerance),
        "dopri5, batch": lambda tolerance: ours(
            velocity, z, tolerance, method="dopri5"
        ),
        "tsit5, row": lambda tolerance: ours(velocity, z, tolerance, control="row"),
    }
    points = {}
    print(f"{'stiff net':16}" + "".join(f"{t:>17.0e}" for t in TOLERANCES[::2]))
    for name, run in solvers.items():
        points[name] = []
        for tolerance in TOLERANCES:
            calls, found = run(tolerance)
            points[name].append((calls, np.sqrt(np.mean((found - exact) ** 2))))
        shown = "".join(f"{c:6d} ({e:.1e})" for c, e in points[name][::2])
        print(f"{name:16}{shown}", flush=True)
    for error in (1e-3, 1e-4, 1e-5):
        at = {name: calls_at(error, found) for name, found in points.items()}
        rival = at["tfp.math.ode"]
        text = ", ".join(f"{n} {c:.0f} ({c / rival - 1:+.0%})" for n, c in at.items())
        print(f"calls at error {error:.0e}: {text}")


if __name__ == "__main__":
    main()
