"""Alanine dipeptide by OpenMM."""

import sys

import numpy as np
import pytest

from tfp_flows.bijectors import InternalCoordinates
from tfp_flows.energies import AlanineDipeptide


@pytest.fixture(scope="module")
def molecule():
    pytest.importorskip("openmm")
    return AlanineDipeptide()


@pytest.fixture(scope="module")
def x(molecule):
    return molecule.sample(3, every=50, seed=4, verbose=0)


def test_frames_follow_their_seed_and_are_thermal(molecule, x):
    again = AlanineDipeptide().sample(3, every=50, seed=4, verbose=0)
    np.testing.assert_array_equal(x, again)
    # Sixty modes of ½ kT each, were they harmonic.
    above = molecule.energy(x) - molecule.energy(molecule.minimum[None])
    assert (np.abs(above - 30) < 25).all()


def test_energy_is_that_of_the_turned_molecule_and_of_its_mirror_image(molecule, x):
    rotation, _ = np.linalg.qr(np.random.default_rng(0).normal(size=[3, 3]))
    rotation *= np.sign(np.linalg.det(rotation))
    energy = molecule.energy(x)
    np.testing.assert_allclose(molecule.energy(x @ rotation + 5.0), energy, atol=1e-9)
    assert (molecule.energy(-x) == np.inf).all()
    both = AlanineDipeptide(hand="both").energy(-x)
    np.testing.assert_allclose(both, energy, atol=1e-9)
    hotter = AlanineDipeptide(1200.0).energy(x)
    np.testing.assert_allclose(2 * hotter, energy)


def test_forces_are_differences_of_the_energy(molecule, x):
    direction = np.random.default_rng(1).normal(size=x.shape)
    ends = [molecule.energy(x + sign * 1e-5 * direction) for sign in (1, -1)]
    slope = (ends[0] - ends[1]) / 2e-5
    expected = -(molecule.force(x) * direction).sum(axis=(1, 2))
    np.testing.assert_allclose(slope, expected, rtol=1e-6, atol=1e-5)


def test_it_is_left_handed_and_its_backbone_is_where_it_starts(molecule):
    minimum = molecule.minimum[None]
    assert molecule.chirality(minimum) > 0 > molecule.chirality(-minimum)
    # C7eq of ff96 in vacuum.
    found = np.degrees(molecule.backbone(minimum))[0]
    np.testing.assert_allclose(found, [-75, 75], atol=5)


def test_internal_coordinates_are_those_of_the_bijector(molecule, x):
    columns = dict(zip(molecule.internal_names, molecule.internal(x).T, strict=True))
    assert len(columns) == 60
    found = np.stack([columns["phi"], columns["psi"]], axis=1)
    turns = (found - molecule.backbone(x)) / (2 * np.pi)
    np.testing.assert_allclose(turns, np.round(turns), atol=1e-9)
    shapes = InternalCoordinates(molecule.z_matrix, dtype="float64")
    placed = shapes.inverse(shapes.forward(x) + 0.0)
    np.testing.assert_allclose(molecule.energy(placed), molecule.energy(x), atol=1e-6)


@pytest.mark.parametrize("wrong", [{"temperature": 0.0}, {"hand": "left"}])
def test_wrong_arguments_are_refused(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} must be"):
        AlanineDipeptide(**wrong)


def test_without_openmm_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "openmm", None)
    with pytest.raises(ImportError, match=r'pip install "tfp_flows\[alanine\]"'):
        AlanineDipeptide()
