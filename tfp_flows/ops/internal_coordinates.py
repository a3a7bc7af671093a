"""Bonds, angles and torsions of a molecule, and its atoms placed by them.

A Z-matrix says what the place of each atom is measured by: rows (a), (a, i), (a, i, j)
and then (a, i, j, k), whose atoms i, j, k stand in earlier rows. r is the distance of a
from i, θ the angle at i between a and j, φ the torsion of a about i → j against k.
"""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

__all__ = ["dihedral_angles", "from_internal", "internal_log_volume", "to_internal"]

ZMatrix = Sequence[Sequence[int]]


def dihedral_angles(x: tf.Tensor, quadruples: Sequence[Sequence[int]]) -> tf.Tensor:
    """Torsions of chains of four atoms, in (−π, π], of IUPAC's sign.

    Args:
        x: [batch..., N, 3].
        quadruples: T times four atoms.

    Returns:
        [batch..., T].
    """
    first, second, third, fourth = _positions(x, quadruples, 4)
    axis = _unit(third - second)
    v, w = first - second, fourth - third
    across, along = _dot(tf.linalg.cross(axis, v), w), _dot(axis, v) * _dot(axis, w)
    return tf.atan2(across, _dot(v, w) - along)


def to_internal(x: tf.Tensor, z_matrix: ZMatrix) -> tf.Tensor:
    """N − 1 bonds, N − 2 angles, N − 3 torsions, each in the order of the rows.

    Args:
        x: [batch..., N, 3], turned and shifted at will.
        z_matrix: N rows.

    Returns:
        [batch..., 3 N − 6].
    """
    atom, bonded = _positions(x, z_matrix[1:], 2)
    bonds = tf.norm(atom - bonded, axis=-1)
    atom, bonded, other = _positions(x, z_matrix[2:], 3)
    v, w = atom - bonded, other - bonded
    angles = tf.atan2(tf.norm(tf.linalg.cross(v, w), axis=-1), _dot(v, w))
    return tf.concat([bonds, angles, dihedral_angles(x, z_matrix[3:])], axis=-1)


def from_internal(q: tf.Tensor, z_matrix: ZMatrix) -> tf.Tensor:
    """Places atoms: the first at 0, the second on the axis x, the third at y > 0.

    Args:
        q: [batch..., 3 N − 6], as of `to_internal`.
        z_matrix: N rows.

    Returns:
        [batch..., N, 3].
    """
    count = len(z_matrix)
    bonds, angles, torsions = (
        tf.unstack(part[..., None], axis=-2)
        for part in tf.split(q, [count - 1, count - 2, count - 3], axis=-1)
    )
    zero = tf.zeros_like(bonds[0])
    first = tf.concat([zero, zero, zero], axis=-1)
    along = first + tf.constant([1.0, 0.0, 0.0], q.dtype)
    upwards = first + tf.constant([0.0, 1.0, 0.0], q.dtype)
    atoms = {z_matrix[0][0]: first, z_matrix[1][0]: bonds[0] * along}
    third, origin, other = z_matrix[2]
    axis = _unit(atoms[other] - atoms[origin])
    atoms[third] = atoms[origin] + bonds[1] * (
        tf.cos(angles[0]) * axis + tf.sin(angles[0]) * upwards
    )
    for row, r, theta, phi in zip(
        z_matrix[3:], bonds[2:], angles[1:], torsions, strict=True
    ):
        near, middle, far = (atoms[i] for i in row[1:])
        axis = _unit(middle - near)
        w = far - middle
        w = _unit(w - axis * tf.reduce_sum(axis * w, axis=-1, keepdims=True))
        around = tf.cos(phi) * w - tf.sin(phi) * tf.linalg.cross(axis, w)
        atoms[row[0]] = near + r * (tf.cos(theta) * axis + tf.sin(theta) * around)
    return tf.stack([atoms[i] for i in range(count)], axis=-2)


def internal_log_volume(q: tf.Tensor, num_atoms: int) -> tf.Tensor:
    """Σ 2 log r + Σ log sin θ, [batch...]: positions are so many times the volume of q.

    Of all 3 N positions, where the first atom stands and how the molecule is turned are
    six numbers of their own, in units of length and of rotation vectors near 0.
    """
    bonds, angles = q[..., : num_atoms - 1], q[..., num_atoms - 1 : 2 * num_atoms - 3]
    return tf.reduce_sum(2 * tf.math.log(bonds), axis=-1) + tf.reduce_sum(
        tf.math.log(tf.sin(angles)), axis=-1
    )


def _positions(x: tf.Tensor, rows: ZMatrix, width: int) -> list[tf.Tensor]:
    """Of the first atoms of rows, of the second, …: each [batch..., rows, 3]."""
    # Three atoms have no torsion, and an empty list no integers.
    chosen = np.array([row[:width] for row in rows], "int64").reshape(-1, width)
    return [tf.gather(x, atoms, axis=-2) for atoms in chosen.T]


def _dot(v: tf.Tensor, w: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(v * w, axis=-1)


def _unit(v: tf.Tensor) -> tf.Tensor:
    return v / tf.norm(v, axis=-1, keepdims=True)
