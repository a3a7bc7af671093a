"""Draws from the density of an energy by Hamiltonian Monte Carlo."""

import math
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfp_flows.energies.particles import ParticleSystem
from tfp_flows.ops.center_of_mass import centered

__all__ = ["sample_particles"]

# Draws of one chain: what is kept of it lies this many trajectories apart.
_DRAWS_PER_CHAIN, _THINNING, _BURN_IN = 10, 20, 300
_LEAPFROGS = 10


def sample_particles(
    system: ParticleSystem, num_rows: int, *, seed: Any = (0, 0)
) -> np.ndarray:
    """Draws configurations of zero center of mass, in no order.

    Many short chains from random lattices, ten draws of each; float64, compiled.

    Args:
        system: the particles.
        num_rows: K.
        seed: a stateless seed: the same rows every time.

    Returns:
        [K, N, n] float64.
    """
    chains = -(-num_rows // _DRAWS_PER_CHAIN)
    rows = _run(system, chains, tf.constant(seed, tf.int32)).numpy()
    rows = rows.reshape(-1, system.num_particles, system.dimension)
    order = np.random.default_rng(list(seed)).permutation(len(rows))
    return rows[order[:num_rows]]


@tf.function(jit_compile=True, autograph=False)
def _run(system: ParticleSystem, chains: int, seed: tf.Tensor) -> tf.Tensor:
    start_seed, seed = tf.unstack(tf.random.split(seed, 2))
    kernel = tfp.mcmc.HamiltonianMonteCarlo(
        lambda x: -system.energy(x), system.step_size, _LEAPFROGS
    )
    states = tfp.mcmc.sample_chain(
        _DRAWS_PER_CHAIN,
        _lattices(system, chains, start_seed),
        kernel=kernel,
        num_burnin_steps=_BURN_IN,
        num_steps_between_results=_THINNING - 1,
        trace_fn=None,
        seed=seed,
    )
    # The energy leaves the center of mass free: it wanders, and tells nothing.
    return centered(states)


def _lattices(system: ParticleSystem, chains: int, seed: tf.Tensor) -> tf.Tensor:
    """Sites of a cubic lattice nearest its center, shaken: nobody overlaps."""
    side = math.ceil(system.num_particles ** (1 / system.dimension)) + 1
    axis = np.arange(side) - (side - 1) / 2
    sites = np.stack(np.meshgrid(*[axis] * system.dimension), -1)
    sites = sites.reshape(-1, system.dimension)
    nearest = np.argsort((sites**2).sum(axis=1), kind="stable")
    lattice = system.spacing * sites[nearest[: system.num_particles]]
    shape = [chains, system.num_particles, system.dimension]
    noise = tf.random.stateless_uniform(shape, seed, -0.1, 0.1, tf.float64)
    return lattice + system.spacing * noise
