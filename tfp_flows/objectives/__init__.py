"""What training minimizes."""

from tfp_flows.objectives.likelihood import NegativeLogLikelihood

__all__ = ["NegativeLogLikelihood"]
