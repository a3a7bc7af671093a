"""Keras models over distributions."""

from tfp_flows.models.boosted_flow import BoostedFlow
from tfp_flows.models.boosting_stage import BoostingStage
from tfp_flows.models.flow_model import FlowModel
from tfp_flows.models.likelihoods import (
    BernoulliLikelihood,
    DiscretizedLogisticLikelihood,
    NormalLikelihood,
)
from tfp_flows.models.posteriors import (
    BoostedPosterior,
    FlowPosterior,
    GaussianPosterior,
)
from tfp_flows.models.roll_back import RollBack
from tfp_flows.models.variational_autoencoder import VariationalAutoencoder
from tfp_flows.models.variational_mixture import VariationalMixture

__all__ = [
    "BernoulliLikelihood",
    "BoostedFlow",
    "BoostedPosterior",
    "BoostingStage",
    "DiscretizedLogisticLikelihood",
    "FlowModel",
    "FlowPosterior",
    "GaussianPosterior",
    "NormalLikelihood",
    "RollBack",
    "VariationalAutoencoder",
    "VariationalMixture",
]
