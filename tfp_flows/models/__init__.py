"""Keras models over distributions."""

from tfp_flows.models.flow_model import FlowModel
from tfp_flows.models.roll_back import RollBack

__all__ = ["FlowModel", "RollBack"]
