"""Keras layers that compute the parameters of bijectors."""

from tfp_flows.networks.conditioner import Conditioner
from tfp_flows.networks.convnet import ConvNet
from tfp_flows.networks.masked import MaskedAutoregressiveNetwork
from tfp_flows.networks.mlp import MLP

__all__ = ["Conditioner", "ConvNet", "MLP", "MaskedAutoregressiveNetwork"]
