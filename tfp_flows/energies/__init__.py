"""Energies U(x) of densities exp(−U(x)) / Z that are known up to Z."""

from tfp_flows.energies.alanine import AlanineDipeptide
from tfp_flows.energies.particles import (
    PARTICLE_SYSTEMS,
    ParticleSystem,
    double_well,
    lennard_jones,
    pair_distances,
)
from tfp_flows.energies.planes import ENERGIES
from tfp_flows.energies.sampling import sample_particles

__all__ = [
    "AlanineDipeptide",
    "ENERGIES",
    "PARTICLE_SYSTEMS",
    "ParticleSystem",
    "double_well",
    "lennard_jones",
    "pair_distances",
    "sample_particles",
]
