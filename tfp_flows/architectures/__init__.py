"""Ready flows: functions that return a TFP distribution in the data's units."""

from tfp_flows.architectures.autoregressive import autoregressive_flow
from tfp_flows.architectures.continuous import continuous_flow
from tfp_flows.architectures.convolutional import convolutional_flow
from tfp_flows.architectures.coupling import coupling_flow
from tfp_flows.architectures.equivariant import equivariant_flow
from tfp_flows.architectures.fully_connected import fully_connected_flow
from tfp_flows.architectures.glow import glow
from tfp_flows.architectures.multiscale_continuous import (
    multiscale_continuous_flow,
)
from tfp_flows.architectures.semi_autoregressive import semi_autoregressive_flow

__all__ = [
    "autoregressive_flow",
    "continuous_flow",
    "convolutional_flow",
    "coupling_flow",
    "equivariant_flow",
    "fully_connected_flow",
    "glow",
    "multiscale_continuous_flow",
    "semi_autoregressive_flow",
]
