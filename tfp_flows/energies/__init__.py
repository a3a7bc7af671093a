"""Energies U(x) of densities exp(−U(x)) / Z that are known up to Z."""

from tfp_flows.energies.planes import ENERGIES

__all__ = ["ENERGIES"]
