"""Calls of a velocity that a solve takes, against `tfp.math.ode`.

    python -m tests.benchmarks.ode_calls [--rows 256] [--nets 6] [--scale 2]

Decay: dz/dt = −z on [0, 1] at tolerance 1e-3. Nets,
mildly stiff: dz/dt = s W₂ tanh(s W₁ z + 2t) on [0, 1], s the scale, 8 numbers, 64
hidden units, random weights, all float64; calls are the mean over the nets, the error
the root mean square of z(1) beside a solve at 1e-12. TFP has one step for the whole
batch, so ours has too (control="batch"); "row" is the most that one row of ours took.
Calls at equal error are read off the line through log error and log calls of the two
nearest tolerances. TFP does not count its first call; here the velocity counts.
"""

import argparse
import functools

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfp_flows.ode import AdaptiveSteps, Solver, solve

TOLERANCES = 10.0 ** -np.arange(3, 7.5, 0.5)


def decay(t, z):
    return -z


def nets(count, scale, size=8, hidden=64):
    """Weights of as many nets."""
    rng = np.random.default_rng(0)
    return [
        [
            scale * rng.normal(size=(rows, columns)) / np.sqrt(rows)
            for rows, columns in ((size, hidden), (hidden, size))
        ]
        for _ in range(count)
    ]


def net(t, z, inner, outer):
    return tf.tanh(z @ inner + 2 * t) @ outer


def ours(tolerance, velocity=net, control="batch", method="tsit5"):
    """A function of z and weights to the most calls of a row, and z(1)."""
    steps = AdaptiveSteps(tolerance, tolerance, control, max_steps=4096)

    @tf.function(autograph=False)
    def run(z, *weights):
        solution = solve(
            lambda t, z: velocity(t, z, *weights), z, solver=Solver(method, steps)
        )
        return tf.reduce_max(solution.statistics.calls), solution.state

    return run


def theirs(tolerance, velocity=net):
    """As `ours`; the velocity itself counts."""
    calls = tf.Variable(0)
    solver = tfp.math.ode.DormandPrince(rtol=tolerance, atol=tolerance)

    @tf.function(autograph=False)
    def run(z, *weights):
        calls.assign(0)

        def counting(t, z):
            calls.assign_add(1)
            return velocity(t, z, *weights)

        found = solver.solve(counting, 0.0, z, solution_times=[1.0])
        with tf.control_dependencies([found.states]):
            return calls.read_value(), found.states[-1]

    return run


def calls_at(error, points):
    """Calls at an error, between the two tolerances around it."""
    calls, errors = np.log(np.array(points)[::-1]).T
    return float(np.exp(np.interp(np.log(error), errors, calls)))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=256)
    parser.add_argument("--nets", type=int, default=6)
    parser.add_argument("--scale", type=float, default=2.0)
    options = parser.parse_args()
    ones = tf.ones([1, 1])
    counts = [make(1e-3, decay)(ones)[0] for make in (ours, theirs)]
    print("decay at 1e-3: ours {} calls, tfp.math.ode {}".format(*map(int, counts)))
    z = tf.constant(np.random.default_rng(1).normal(size=(options.rows, 8)))
    weights = nets(options.nets, options.scale)
    exact = [ours(1e-12, method="dopri5")(z, *each)[1] for each in weights]
    solvers = {
        "tfp.math.ode": theirs,
        "tsit5, batch": ours,
        "dopri5, batch": functools.partial(ours, method="dopri5"),
        "tsit5, row": functools.partial(ours, control="row"),
    }
    points = {}
    print(f"{'nets':14}" + "".join(f"{t:>17.0e}" for t in TOLERANCES[::2]))
    for name, make in solvers.items():
        points[name] = []
        for tolerance in TOLERANCES:
            run = make(tolerance)
            calls, found = zip(*(run(z, *each) for each in weights), strict=True)
            error = np.sqrt(np.mean(np.subtract(found, exact) ** 2))
            points[name].append((np.mean(calls), error))
        shown = "".join(f"{c:7.1f} ({e:.1e})" for c, e in points[name][::2])
        print(f"{name:14}{shown}", flush=True)
    for error in (1e-3, 1e-4, 1e-5):
        at = {name: calls_at(error, found) for name, found in points.items()}
        rival = at["tfp.math.ode"]
        text = ", ".join(f"{n} {c:.0f} ({c / rival - 1:+.0%})" for n, c in at.items())
        print(f"calls at error {error:.0e}: {text}")


if __name__ == "__main__":
    main()
