"""Maps of densities in the plane: what stands where, and its scale."""

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from tfp_flows.diagnostics.plots.canvas import png
from tfp_flows.diagnostics.plots.planes import density_maps


def normal_at(x, y):
    center = np.array([x, y])
    return lambda points: -0.5 * np.square((points - center) / 0.3).sum(axis=-1)


@pytest.fixture
def rows():
    return np.random.default_rng(0).normal(size=[500, 2])


def test_maps_show_the_density_where_it_is(rows):
    maps = [
        {"right": normal_at(1, 0), "above": normal_at(0, 1)},
        {"both": normal_at(0, 0)},
    ]
    figure = density_maps(rows, maps, title="a title", resolution=41)
    assert png(figure).startswith(b"\x89PNG")
    axes = np.array(figure.axes).reshape(2, 3)
    titles = [axis.get_title(loc="left") for axis in axes.ravel()]
    assert titles == ["data", "right", "above", "", "both", ""]
    for axis, expected in ((axes[0, 1], (1, 0)), (axes[0, 2], (0, 1))):
        (image,) = axis.images
        red = image.get_array()[..., 0]
        weight = (red.max() - red) / (red.max() - red).sum()
        left, right, low, high = image.get_extent()
        x, y = np.linspace(left, right, 41), np.linspace(low, high, 41)
        found = (weight.sum(0) * x).sum(), (weight.sum(1) * y).sum()
        np.testing.assert_allclose(found, expected, atol=0.05)


def test_paths_stand_at_the_left_of_their_densities(rows):
    paths = {
        name: np.stack([rows[:7], 0.5 * rows[:7], far * rows[7:14]])
        for name, far in (("near", 1), ("far", 9))
    }
    maps = [{"first": normal_at(0, 0)}, {"second": normal_at(0, 0)}]
    figure = density_maps(rows, maps, paths=paths, resolution=11)
    axes = np.array(figure.axes).reshape(2, 2)
    for axis, (name, states) in zip(axes[:, 0], paths.items(), strict=True):
        assert axis.get_title(loc="left") == name
        drawn = [line.get_xydata() for line in axis.lines]
        np.testing.assert_array_equal(np.moveaxis(drawn, 0, 1), states)
        starts, ends = (marks.get_offsets() for marks in axis.collections)
        np.testing.assert_array_equal(starts, states[0])
        np.testing.assert_array_equal(ends, states[-1])
        # Far ends are within the picture.
        assert axis.get_xlim()[1] > np.quantile(states[-1][:, 0], 0.9)


def test_other_than_the_plane_is_refused(rows):
    with pytest.raises(ValueError, match=r"expected rows \[N, 2\]"):
        density_maps(rows[:, :1], [{}])
