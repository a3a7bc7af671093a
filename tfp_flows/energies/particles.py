"""Energies of particles that act on each other in pairs."""

import dataclasses
import functools
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tfp_flows.ops.center_of_mass import centered

__all__ = [
    "PARTICLE_SYSTEMS",
    "ParticleSystem",
    "double_well",
    "lennard_jones",
    "pair_distances",
]


def pair_distances(x: tf.Tensor) -> tf.Tensor:
    """|xᵢ − xⱼ| of all pairs i < j: [batch..., N, n] → [batch..., N (N − 1) / 2]."""
    x = tf.convert_to_tensor(x)
    first, second = np.triu_indices(x.shape[-2], k=1)
    # A product, whose gradient is one too; gathering scatters backwards.
    signs = np.eye(x.shape[-2])[first] - np.eye(x.shape[-2])[second]
    return tf.norm(tf.constant(signs, x.dtype) @ x, axis=-1)


def double_well(
    x: tf.Tensor, *, quartic: float = 0.9, quadratic: float = -4.0, offset: float = 4.0
) -> tf.Tensor:
    """U = Σ_{i<j} a q⁴ + b q² with q = |xᵢ − xⱼ| − d₀: two good distances a pair.

    Args:
        x: [batch..., N, n].
        quartic: a.
        quadratic: b.
        offset: d₀.

    Returns:
        [batch...].
    """
    square = (pair_distances(x) - offset) ** 2
    return tf.reduce_sum(quartic * square**2 + quadratic * square, axis=-1)


def lennard_jones(
    x: tf.Tensor, *, pair_factor: float = 2.0, radius: float = 1.0, trap: float = 1.0
) -> tf.Tensor:
    """U = ε Σ_{i<j} (r/d)¹² − 2 (r/d)⁶ + ½ k Σᵢ |xᵢ − x̄|²: a drop held together.

    Infinite where particles overlap.

    Args:
        x: [batch..., N, n].
        pair_factor: ε. Sums over ordered pairs count each twice: ε = 2 is the energy
            that published samples follow; with a factor ½ before the sum it is 1.
        radius: r, of least energy.
        trap: k.

    Returns:
        [batch...].
    """
    attraction = (radius / pair_distances(x)) ** 6
    pairs = tf.reduce_sum(attraction**2 - 2 * attraction, axis=-1)
    spread = tf.reduce_sum(centered(tf.convert_to_tensor(x)) ** 2, axis=[-2, -1])
    return pair_factor * pairs + 0.5 * trap * spread


@dataclasses.dataclass(frozen=True)
class ParticleSystem:
    """Particles with the density exp(−U(x)) / Z up to where their center of mass is.

    Attributes:
        num_particles: N.
        dimension: n.
        energy: U, [batch..., N, n] → [batch...], unchanged by shifts.
        step_size: of a Hamiltonian trajectory that follows it.
        spacing: typical distance of a start that is no collapse.
    """

    num_particles: int
    dimension: int
    energy: Callable[[tf.Tensor], tf.Tensor]
    step_size: float
    spacing: float

    @property
    def degrees_of_freedom(self) -> int:
        """(N − 1) n; the average of `virial` under the density."""
        return (self.num_particles - 1) * self.dimension

    def virial(self, x: tf.Tensor) -> tf.Tensor:
        """X · ∇U, [batch...]: what tells draws of this energy from those of another.

        E[x · ∇U] = (N − 1) n, from integrating by parts.
        """
        x = centered(tf.convert_to_tensor(x))
        with tf.GradientTape() as tape:
            tape.watch(x)
            energy = self.energy(x)
        return tf.reduce_sum(x * tape.gradient(energy, x), axis=[-2, -1])


_LJ1 = functools.partial(lennard_jones, pair_factor=1.0)

PARTICLE_SYSTEMS: dict[str, ParticleSystem] = {
    "dw4": ParticleSystem(4, 2, double_well, 0.1, 4.0),
    "lj13": ParticleSystem(13, 3, lennard_jones, 0.025, 1.2),
    "lj13-single": ParticleSystem(13, 3, _LJ1, 0.035, 1.2),
    "lj55": ParticleSystem(55, 3, lennard_jones, 0.02, 1.2),
}
"""Name → system; "lj13-single" has ε = 1, "lj13" and "lj55" ε = 2.

Reference: Köhler, Klein and Noé (2020), "Equivariant Flows", arXiv:2006.02425, section
6; ε = 2 by the virial of the samples of Klein et al. (2023), arXiv:2306.15030.
"""
