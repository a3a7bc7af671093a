"""Time of log-densities of copula bases in 64 dimensions, batch 4096, float32.

    python -m tests.benchmarks.copula_speed [--size 64] [--batch 4096]

Medians over 30 rounds in one process, the candidates in turn, compiled by
`tf.function`; `ratio` is to the rival named. The Student-t copula of t marginals with
its own ν is a multivariate t and is computed so; the one with other ν a column goes
through ln u, a cdf and a quantile, beside which stand those of TFP alone. `+ gradient`
is value and gradient for x.
"""

import argparse
import statistics
import time

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfp_flows import distributions

tfd = tfp.distributions


def candidates(size):
    """(label, rival, log-density) of each."""
    rng = np.random.default_rng(0)
    directions = rng.normal(size=[size, 2 * size])
    covariance = directions @ directions.T
    deviation = np.sqrt(np.diag(covariance))
    factor = distributions.correlation_factor(
        covariance / np.outer(deviation, deviation)
    )
    zeros, ones = tf.zeros([size]), tf.ones([size])
    multivariate = tfd.MultivariateStudentTLinearOperator(
        4.0, zeros, tf.linalg.LinearOperatorLowerTriangular(factor)
    )
    marginals = tfd.StudentT(4.0 * ones, zeros, ones)
    others = tfd.StudentT(tf.linspace(2.0, 9.0, size), zeros, ones)
    copulas = {
        "Student-t, t of the same ν": (
            distributions.StudentTCopula(4.0, factor), marginals, "TFP multivariate t"
        ),
        "Student-t, t of other ν": (
            distributions.StudentTCopula(4.0, factor), others, "TFP multivariate t"
        ),
        "Clayton, t": (
            distributions.ClaytonCopula(2.0, size), marginals, "Clayton, t"
        ),
        "Gumbel, t": (distributions.GumbelCopula(2.0, size), marginals, "Clayton, t"),
        "Frank, t": (distributions.FrankCopula(3.0, size), marginals, "Clayton, t"),
    }  # fmt: skip
    rival = "TFP multivariate t"
    made = [
        (rival, rival, multivariate.log_prob),
        ("TFP t of other ν, cdf alone", rival, others.cdf),
        ("TFP t, quantile alone", rival, tfd.StudentT(4.0, 0.0, 1.0).quantile),
    ]
    for label, (copula, parts, rival) in copulas.items():
        base = distributions.CopulaDistribution(copula, parts)
        made.append((label, rival, base.log_prob))
    for label, copula in {
        "Clayton copula alone": distributions.ClaytonCopula(2.0, size),
        "Gumbel copula alone": distributions.GumbelCopula(2.0, size),
    }.items():
        made.append((label, "Clayton copula alone", copula.log_prob))
    return made, multivariate


def with_gradient(function):
    def run(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = tf.reduce_sum(function(x))
        return tape.gradient(value, x)

    return run


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--batch", type=int, default=4096)
    parser.add_argument("--rounds", type=int, default=30)
    options = parser.parse_args()
    made, law = candidates(options.size)
    x = law.sample(options.batch, seed=(0, 1))
    u = tf.random.stateless_uniform(x.shape, (0, 2), 0.01, 0.99)
    runs = {}
    for label, _, function in made:
        argument = u if "copula alone" in label or "quantile" in label else x
        for suffix, wrapped in (("", function), ("+", with_gradient(function))):
            compiled = tf.function(wrapped, autograph=False)
            compiled(argument)
            runs[label + suffix] = (compiled, argument)
    times = {label: [] for label in runs}
    for _ in range(options.rounds):
        for label, (compiled, argument) in runs.items():
            started = time.perf_counter()
            compiled(argument)
            times[label].append(1e3 * (time.perf_counter() - started))
    found = {label: statistics.median(values) for label, values in times.items()}
    print(
        f"{'log_prob':28}{'ms':>8}{'ratio':>7}{'+ gradient ms':>15}{'ratio':>7}  rival"
    )
    for label, rival, _ in made:
        value, gradient = found[label], found[label + "+"]
        print(
            f"{label:28}{value:8.2f}{value / found[rival]:7.2f}"
            f"{gradient:15.2f}{gradient / found[rival + '+']:7.2f}  {rival}"
        )


if __name__ == "__main__":
    main()
