"""Keras layers that compute parameters of bijectors, and networks of autoencoders."""

from tfp_flows.networks.autoencoder import dense_decoder, dense_encoder
from tfp_flows.networks.conditioner import Conditioner
from tfp_flows.networks.convnet import ConvNet
from tfp_flows.networks.equivariant.velocity import EquivariantVelocity
from tfp_flows.networks.masked import MaskedAutoregressiveNetwork
from tfp_flows.networks.mlp import MLP
from tfp_flows.networks.velocity import VelocityMLP
from tfp_flows.networks.velocity_convnet import VelocityConvNet

__all__ = [
    "Conditioner",
    "ConvNet",
    "EquivariantVelocity",
    "MLP",
    "MaskedAutoregressiveNetwork",
    "VelocityConvNet",
    "VelocityMLP",
    "dense_decoder",
    "dense_encoder",
]
