"""What training minimizes."""

from tfp_flows.objectives.likelihood import NegativeLogLikelihood
from tfp_flows.objectives.reconstruction import Reconstruction

__all__ = ["NegativeLogLikelihood", "Reconstruction"]
