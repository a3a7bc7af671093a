"""Every exported distribution."""

import tensorflow_probability as tfp

from tests.cases.case import Case
from tfp_flows import distributions

tfd = tfp.distributions


def normal(size, scale=3.0):
    import numpy as np

    return tfd.MultivariateNormalDiag(np.zeros(size), np.full(size, scale))


CASES = [
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
