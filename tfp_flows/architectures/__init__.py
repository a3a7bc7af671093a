"""Ready flows: functions that return a TFP distribution in the data's units."""

from tfp_flows.architectures.autoregressive import autoregressive_flow
from tfp_flows.architectures.coupling import coupling_flow
from tfp_flows.architectures.glow import glow

__all__ = ["autoregressive_flow", "coupling_flow", "glow"]
