"""Distributions that flows are built with."""

from tfp_flows.distributions.dequantized import Dequantized
from tfp_flows.distributions.gaussian_mixture import GaussianMixture

__all__ = ["Dequantized", "GaussianMixture"]
