"""Rows that are positions of particles."""

import numpy as np
import pytest

from tfp_flows import data
from tfp_flows.cli.errors import RunError
from tfp_flows.cli.flows import check_base, choose_flow

RNG = np.random.default_rng(0)


def table(tmp_path, positions):
    np.save(tmp_path / "cluster.npy", positions)
    return data.load(tmp_path / "cluster.npy")


def test_an_array_of_positions_is_one_of_particles(tmp_path):
    loaded = table(tmp_path, RNG.normal(size=[300, 5, 3]))
    assert loaded.particle_shape == loaded.schema.particle_shape == (5, 3)
    assert loaded.columns[:4] == ("x0", "y0", "z0", "x1")
    assert loaded.schema.degrees_of_freedom == 12
    data.check(loaded)
    assert choose_flow(None, loaded) == "equivariant"


def test_relative_rows_keep_distances_and_lose_the_center(tmp_path):
    x = RNG.normal(size=[50, 5, 3])
    rows = [data.relative(table(tmp_path, y)).values for y in (x, x + [1.0, -2.0, 9.0])]
    np.testing.assert_allclose(rows[0], rows[1], atol=1e-12)
    centered = x - x.mean(axis=1, keepdims=True)
    np.testing.assert_allclose((rows[0] ** 2).sum(axis=1), (centered**2).sum((1, 2)))


def test_particles_in_a_plane_of_space_have_no_density(tmp_path):
    flat = RNG.normal(size=[300, 5, 3]) * [1, 1, 0] + [0, 0, 2.5]
    with pytest.raises(data.DataError, match="'z1' has one value.*is infinite"):
        data.check(table(tmp_path, flat))
    # A free center alone makes rows no better and centered ones no worse.
    free = RNG.normal(size=[300, 5, 3])
    data.check(table(tmp_path, free - free.mean(axis=1, keepdims=True)))


def test_flows_that_do_not_fit_are_refused_with_what_does(tmp_path):
    particles = table(tmp_path, RNG.normal(size=[300, 5, 3]))
    with pytest.raises(RunError, match="choose --flow equivariant"):
        choose_flow("coupling-spline", particles)
    rows = table(tmp_path, RNG.normal(size=[300, 6]))
    with pytest.raises(RunError, match=r"an .npy file of floats \[N, P, 2\]"):
        choose_flow("equivariant", rows)
    with pytest.raises(RunError, match="gaussian or student-t"):
        check_base("mixture", "equivariant")
    with pytest.raises(RunError, match="leave out --boost"):
        check_base(None, "equivariant", 3)
    with pytest.raises(data.DataError, match="no bounds"):
        data.check_bounds(particles, [("x0", 0.0, None)])
    np.save(tmp_path / "cluster.npy", RNG.normal(size=[300, 5, 3]))
    with pytest.raises(data.DataError, match="particles, whose positions"):
        data.load(tmp_path / "cluster.npy", columns=["x0"])
