"""Every exported distribution."""

import numpy as np
import tensorflow_probability as tfp

from tests.cases.case import Case
from tfp_flows import distributions

tfd = tfp.distributions


def normal(size, scale=3.0):
    return tfd.MultivariateNormalDiag(np.zeros(size), np.full(size, scale))


def mixture(size):
    """Three clusters, found by EM."""
    rng = np.random.default_rng(0)
    centers = 4 * rng.normal(size=[3, size])
    made = distributions.GaussianMixture(size, num_components=4, dtype="float64")
    made.initialize(centers.repeat(60, axis=0) + rng.normal(size=[180, size]))
    return made


DENSITIES = [
    Case("GaussianMixture", lambda: mixture(2), (2,)),
    Case("GaussianMixture[D = 1]", lambda: mixture(1), (1,)),
    Case("GaussianMixture[five features]", lambda: mixture(5), (5,)),
]
GRIDDED = [
    Case("Dequantized", lambda: distributions.Dequantized(normal(2))),
    Case(
        "Dequantized[four draws]",
        lambda: distributions.Dequantized(normal(2), num_samples=4),
    ),
    Case(
        "Dequantized[one continuous]",
        lambda: distributions.Dequantized(normal(2), step=[1.0, 0.0]),
    ),
]
CASES = DENSITIES + GRIDDED
