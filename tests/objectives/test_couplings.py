"""Draws led to rows, up to the group that their base does not see."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from scipy.linalg import expm, orthogonal_procrustes

from tfp_flows.objectives.couplings import nearest_in_orbits, nearest_overall

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
