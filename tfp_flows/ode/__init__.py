"""Ordinary differential equations: batches of rows, counted calls, gradients.

Functions of tensors, without variables: of use without the rest of this package.
"""

from tfp_flows.ode.continuous_adjoint import ContinuousAdjoint
from tfp_flows.ode.discrete_adjoint import DiscreteAdjoint
from tfp_flows.ode.methods import METHODS
from tfp_flows.ode.solve import Solution, Solver, solve
from tfp_flows.ode.statistics import SolveError, Statistics, Status
from tfp_flows.ode.steps import AdaptiveSteps, FixedSteps
from tfp_flows.ode.tableau import Tableau

__all__ = [
    "AdaptiveSteps",
    "ContinuousAdjoint",
    "DiscreteAdjoint",
    "FixedSteps",
    "METHODS",
    "Solution",
    "SolveError",
    "Solver",
    "Statistics",
    "Status",
    "Tableau",
    "solve",
]
