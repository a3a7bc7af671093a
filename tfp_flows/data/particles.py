"""Positions of particles as rows: their columns, and a basis without the center."""

import dataclasses

import numpy as np

from tfp_flows.data.table import Table

__all__ = ["PARTICLE_SETS", "load_particles", "position_names", "relative"]

# name: (rows, one line of description)
PARTICLE_SETS = {
    "dw4": (20_000, "20,000 x 8: 4 particles in the plane, a double well a pair"),
    "lj13": (10_000, "10,000 x 39: 13 particles, a Lennard-Jones drop (ε = 2)"),
}


def load_particles(name: str) -> Table:
    """Draws a set of particles at equilibrium; the same rows every time."""
    from tfp_flows.energies import PARTICLE_SYSTEMS, sample_particles

    system = PARTICLE_SYSTEMS[name]
    shape = (system.num_particles, system.dimension)
    values = sample_particles(system, PARTICLE_SETS[name][0])
    return Table(
        name=name,
        values=values.reshape(len(values), -1),
        columns=position_names(shape),
        particle_shape=shape,
    )


def position_names(shape: tuple[int, int]) -> tuple[str, ...]:
    """x0, y0, x1, y1, … of particles in up to three dimensions."""
    count, dimension = shape
    return tuple(f"{axis}{i}" for i in range(count) for axis in "xyz"[:dimension])


def relative(table: Table) -> Table:
    """Rows in orthonormal coordinates of zero center of mass; other tables as they are.

    Coordinate k is the distance of particle k from the mean of those before it, scaled:
    a density over these N n − n columns is one over the configurations, nat for nat.
    """
    if table.particle_shape is None:
        return table
    count, dimension = table.particle_shape
    basis = np.tri(count)[:-1]
    order = np.arange(1, count)
    basis[order - 1, order] = -order
    basis /= np.sqrt(order * (order + 1))[:, None]
    positions = table.values.reshape(-1, count, dimension)
    # Exactly zero, then, in a direction in which no particle differs from another.
    positions = positions - positions[:, :1]
    values = np.einsum("ki,rin->rkn", basis, positions)
    return dataclasses.replace(
        table,
        values=values.reshape(len(values), -1),
        columns=table.columns[dimension:],
        particle_shape=None,
    )
