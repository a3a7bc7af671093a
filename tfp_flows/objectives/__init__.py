"""What training minimizes."""

from tfp_flows.energies.planes import ENERGIES
from tfp_flows.objectives.bounds.boosted_stage import (
    BoostedBound,
    BoundTerms,
    boosted_stage,
)
from tfp_flows.objectives.bounds.elbo import (
    boosted_negative_elbo,
    importance_weighted_bound,
    kl_annealing,
    negative_elbo,
    sample_all_probability,
)
from tfp_flows.objectives.bounds.posterior_weights import (
    PosteriorWeights,
    fit_posterior_weights,
)
from tfp_flows.objectives.flow_matching import FlowMatching
from tfp_flows.objectives.likelihood import NegativeLogLikelihood
from tfp_flows.objectives.objective import Evaluation, FromFields, Objective, Terms
from tfp_flows.objectives.penalties.reconstruction import Reconstruction
from tfp_flows.objectives.penalties.trajectory import (
    JacobianNorm,
    KineticEnergy,
    RandomEndTime,
    TrajectoryPolynomial,
    polynomial_residual,
)
from tfp_flows.objectives.residuals import MixtureLikelihood, ResidualWeights
from tfp_flows.objectives.scores.energy_score import EnergyScore

__all__ = [
    "BoostedBound",
    "BoundTerms",
    "ENERGIES",
    "EnergyScore",
    "Evaluation",
    "FlowMatching",
    "FromFields",
    "JacobianNorm",
    "KineticEnergy",
    "MixtureLikelihood",
    "NegativeLogLikelihood",
    "Objective",
    "PosteriorWeights",
    "RandomEndTime",
    "Reconstruction",
    "ResidualWeights",
    "Terms",
    "TrajectoryPolynomial",
    "boosted_negative_elbo",
    "boosted_stage",
    "fit_posterior_weights",
    "importance_weighted_bound",
    "kl_annealing",
    "negative_elbo",
    "polynomial_residual",
    "sample_all_probability",
]
