"""Keras models over distributions."""

from tfp_flows.models.alignment.align_flow import AlignFlow
from tfp_flows.models.boosted.boosted_flow import BoostedFlow
from tfp_flows.models.boosted.stage import BoostingStage
from tfp_flows.models.density_model import DensityModel
from tfp_flows.models.flow_model import FlowModel
from tfp_flows.models.molecules import MoleculeModel
from tfp_flows.models.reweighting import log_weights, reweight
from tfp_flows.models.roll_back import RollBack
from tfp_flows.models.variational.likelihoods import (
    BernoulliLikelihood,
    DiscretizedLogisticLikelihood,
    NormalLikelihood,
)
from tfp_flows.models.variational.posteriors import (
    BoostedPosterior,
    FlowPosterior,
    GaussianPosterior,
)
from tfp_flows.models.variational.variational_autoencoder import VariationalAutoencoder
from tfp_flows.models.variational.variational_mixture import VariationalMixture
from tfp_flows.models.workers import join_workers

__all__ = [
    "AlignFlow",
    "BernoulliLikelihood",
    "BoostedFlow",
    "BoostedPosterior",
    "BoostingStage",
    "DensityModel",
    "DiscretizedLogisticLikelihood",
    "FlowModel",
    "FlowPosterior",
    "GaussianPosterior",
    "MoleculeModel",
    "NormalLikelihood",
    "RollBack",
    "VariationalAutoencoder",
    "VariationalMixture",
    "join_workers",
    "log_weights",
    "reweight",
]
