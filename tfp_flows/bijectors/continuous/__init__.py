"""Continuous flows: a velocity followed for a while, and its divergence."""

from tfp_flows.bijectors.continuous.continuous import Continuous
from tfp_flows.bijectors.continuous.divergence import (
    Divergence,
    ExactDivergence,
    HutchinsonDivergence,
)
from tfp_flows.bijectors.continuous.path import Path, PathOptions, PathRecord

__all__ = [
    "Continuous",
    "Divergence",
    "ExactDivergence",
    "HutchinsonDivergence",
    "Path",
    "PathOptions",
    "PathRecord",
]
