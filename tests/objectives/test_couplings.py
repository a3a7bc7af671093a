"""Draws led to rows, up to the group that their base does not see."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from scipy.linalg import expm, orthogonal_procrustes

from tfp_flows.objectives.couplings import nearest_in_orbits, nearest_overall
from tfp_flows.ops import centered

RNG = np.random.default_rng(0)


def centered_normal(rows, *shape):
    x = RNG.normal(size=[rows, *shape])
    return tf.constant(x - x.mean(axis=1, keepdims=True))


def test_rows_that_were_moved_by_the_group_are_found_again():
    """Permuted, slightly turned, shifted, and in another order."""
    u = centered_normal(40, 5, 3)
    skew = 0.01 * RNG.normal(size=[3, 3])
    turn = expm(skew - skew.T)
    z = (u.numpy() @ turn)[:, RNG.permutation(5)] + [1.0, 2.0, 3.0]
    order = np.r_[RNG.permutation(32), 32 + RNG.permutation(8)]
    np.testing.assert_allclose(nearest_in_orbits(u, z[order]), u, atol=1e-10)


def test_orbits_make_paths_shorter_than_draws_as_they_are():
    u, z = centered_normal(64, 13, 3), centered_normal(64, 13, 3)
    plain, overall, orbit = (
        float(tf.reduce_mean(tf.norm(tf.reshape(u - found, [64, -1]), axis=1)))
        for found in (z, nearest_overall(u, z), nearest_in_orbits(u, z))
    )
    assert plain > overall > 1.3 * orbit
    # What is led there is a draw, moved: distances within it stay.
    moved = nearest_in_orbits(u, z)
    within = [np.sort(np.linalg.norm(x, axis=(1, 2))) for x in (z, moved)]
    np.testing.assert_allclose(*within, rtol=1e-12)


@pytest.mark.parametrize("shape", [(4, 2), (3, 1)])
def test_of_few_particles_in_the_plane_no_point_of_an_orbit_is_nearer(shape):
    u, z = (centered_normal(1, *shape).numpy() for _ in range(2))
    nearest = min(
        np.linalg.norm(u[0] - moved @ orthogonal_procrustes(moved, u[0])[0])
        for moved in map(list, itertools.permutations(z[0]))
        for moved in [np.array(moved)]
    )
    found = nearest_in_orbits(tf.constant(u), tf.constant(z))
    np.testing.assert_allclose(np.linalg.norm(u - found), nearest, rtol=1e-12)


def test_other_events_are_refused():
    with pytest.raises(ValueError, match="positions of particles"):
        nearest_in_orbits(tf.zeros([4, 2]), tf.zeros([4, 2]))


def test_kinds_exchange_no_places_and_molecules_no_draws():
    """Two molecules of three and four atoms, padded to five places."""
    h = np.zeros([24, 5, 2])
    h[:, :3] = np.eye(2)[[0, 1, 1]]
    h[::2, 3] = [0, 1]
    present = h.any(axis=-1)[..., None].astype("float64")
    u, z = (centered(RNG.normal(size=[24, 5, 3]), present).numpy() for _ in range(2))
    # Atoms are told apart wherever they come: turns keep |z| of each.
    found = nearest_in_orbits(*map(tf.constant, (u, z, h))).numpy()
    np.testing.assert_allclose(found[present[..., 0] == 0], 0, atol=1e-12)
    radii, moved = (np.linalg.norm(x, axis=-1) for x in (z, found))
    for size in (slice(None, None, 2), slice(1, None, 2)):
        for place in ([0], [1, 2, 3]):
            np.testing.assert_allclose(
                np.sort(radii[size][:, place], axis=None),
                np.sort(moved[size][:, place], axis=None),
                rtol=1e-10,
                atol=1e-12,
            )
    assert np.linalg.norm(u - found) < 0.8 * np.linalg.norm(u - z)
    # Rows of one molecule in its group are found again, for kinds as for one kind.
    turn = expm(0.01 * (np.eye(3, k=1) - np.eye(3, k=-1)))
    order = np.r_[2:24, 0:2]
    exchanged = (u @ turn)[order][:, [0, 2, 1, 3, 4]]
    found = nearest_in_orbits(*map(tf.constant, (u, exchanged, h)))
    np.testing.assert_allclose(found, u, atol=1e-10)
    overall = nearest_overall(*map(tf.constant, (u, u[order], h)))
    np.testing.assert_allclose(overall, u, atol=1e-12)
