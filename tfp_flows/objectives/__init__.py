"""What training minimizes."""

from tfp_flows.objectives.boosting import MixtureLikelihood, ResidualWeights
from tfp_flows.objectives.likelihood import NegativeLogLikelihood
from tfp_flows.objectives.reconstruction import Reconstruction

__all__ = [
    "MixtureLikelihood",
    "NegativeLogLikelihood",
    "Reconstruction",
    "ResidualWeights",
]
