"""Keras models over distributions."""

from tfp_flows.models.boosted_flow import BoostedFlow
from tfp_flows.models.boosting_stage import BoostingStage
from tfp_flows.models.flow_model import FlowModel
from tfp_flows.models.roll_back import RollBack

__all__ = ["BoostedFlow", "BoostingStage", "FlowModel", "RollBack"]
