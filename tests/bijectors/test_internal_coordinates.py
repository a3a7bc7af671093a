"""Molecules as bonds, angles and torsions."""

import numpy as np
import pytest
import tensorflow as tf

from tfp_flows.bijectors import InternalCoordinates
from tfp_flows.ops import dihedral_angles

Z_MATRIX = [(1,), (0, 1), (2, 1, 0), (3, 1, 2, 0), (4, 3, 1, 0)]
RNG = np.random.default_rng(3)


def test_log_det_is_of_the_volume_of_all_positions():
    """∂x / ∂(shape, turn, shift), the turn as a rotation vector at 0: 3 N by 3 N."""
    bijector = InternalCoordinates(Z_MATRIX, dtype="float64")
    y = bijector.forward(tf.constant(RNG.normal(size=[5, 3])))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(y)
        x = bijector.inverse(tf.identity(y))
    shape = tape.jacobian(x, y, experimental_use_pfor=False).numpy().reshape(15, -1)
    turn = np.stack([np.cross(axis, x) for axis in np.eye(3)], axis=-1).reshape(15, 3)
    shift = np.tile(np.eye(3), [5, 1])
    _, expected = np.linalg.slogdet(np.concatenate([shape, turn, shift], axis=1))
    found = bijector.inverse_log_det_jacobian(tf.identity(y), 1)
    assert float(found) == pytest.approx(expected, abs=1e-10)


def test_turned_and_shifted_it_is_the_same_mirrored_it_is_not():
    x = RNG.normal(size=[5, 3])
    rotation, _ = np.linalg.qr(RNG.normal(size=[3, 3]))
    rotation *= np.sign(np.linalg.det(rotation))
    bijector = InternalCoordinates(Z_MATRIX, dtype="float64")
    found = bijector.forward(tf.constant(np.stack([x, x @ rotation + 7.0, -x])))
    np.testing.assert_allclose(found[1], found[0], atol=1e-12)
    np.testing.assert_allclose(found[2][:7], found[0][:7], atol=1e-12)
    np.testing.assert_allclose(found[2][7:], -found[0][7:], atol=1e-12)


def test_sign_of_a_torsion():
    """IUPAC: looking along the second bond the far one is turned clockwise."""
    x = [[1.0, 0, 0], [0, 0, 0], [0, 0, 1], [0, 1, 1]]
    found = dihedral_angles(tf.constant([x]), [(0, 1, 2, 3), (3, 2, 1, 0)])
    np.testing.assert_allclose(found, [[np.pi / 2, np.pi / 2]], atol=1e-6)


def test_torsions_are_cut_where_there_are_fewest_rows():
    bijector = InternalCoordinates(Z_MATRIX, dtype="float64")
    torsions = np.stack([3.1 + 0.2 * RNG.normal(size=500), np.full(500, -0.5)], axis=1)
    lengths = np.tile([1.0, 1, 1, 1, 2, 2, 2], [500, 1])
    y = tf.constant(np.concatenate([lengths, torsions], axis=1))
    x = bijector.inverse(y)
    bijector.initialize(x)
    found = bijector.forward(tf.identity(x)).numpy()[:, -2:]
    assert np.abs(found).max() < 1.0
    # Differences are not cut: −π and π are in one piece.
    np.testing.assert_allclose(found - found[0], torsions - torsions[0], atol=1e-9)


@pytest.mark.parametrize(
    "rows", [[(0,), (1, 0)], [(0,), (1, 0), (2, 3, 0)], [(0,), (1, 0), (2, 1, 1)]]
)
def test_a_wrong_z_matrix_is_refused(rows):
    with pytest.raises(ValueError, match="z_matrix: expected"):
        InternalCoordinates(rows)
