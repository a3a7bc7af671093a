"""Distributions that flows are built with."""

from tfp_flows.distributions.dequantized import Dequantized

__all__ = ["Dequantized"]
