"""Molecules from other packages, padded to places."""

import sys

import numpy as np
import pytest

from tfp_flows.data import DataError, conformations, g2_molecules, load_builtin
from tfp_flows.data.builtin.molecules import Molecules


def test_atoms_stand_by_falling_number_and_places_behind_are_zero():
    water = ([1, 8, 1], [[1.0, 0, 0], [0, 0, 0], [0, 1, 0]])
    molecules = Molecules.of([water, ([6, 8], [[0, 0, 0], [0, 0, 2.0]])])
    assert molecules.elements == (8, 6, 1)
    kinds = molecules.features.reshape(2, 3, 3)
    np.testing.assert_array_equal(kinds[0].argmax(axis=-1), [0, 2, 2])
    np.testing.assert_array_equal(kinds[1], [[1, 0, 0], [0, 1, 0], [0, 0, 0]])
    expected = [[0, 0, 1], [0, 0, -1], [0, 0, 0]]
    np.testing.assert_array_equal(molecules.positions[1], expected)


def test_g2_has_all_molecules_of_two_atoms_or_more():
    pytest.importorskip("ase")
    molecules = g2_molecules()
    assert molecules.positions.shape == (148, 14, 3)
    assert molecules.features.shape == (148, 14 * len(molecules.elements))
    assert (molecules.features.sum(axis=1) >= 2).all()


def test_conformations_are_thermal_and_follow_their_seed():
    pytest.importorskip("rdkit")
    molecules, again = (conformations("O", 16) for _ in range(2))
    np.testing.assert_array_equal(molecules.positions, again.positions)
    x = molecules.positions
    bonds = np.linalg.norm(x[:, 1:] - x[:, :1], axis=-1)
    assert bonds.mean() == pytest.approx(0.98, abs=0.03)
    assert 0.005 < bonds.std() < 0.08
    with pytest.raises(DataError, match="no SMILES"):
        conformations("not one", 1)


@pytest.mark.parametrize(
    ("package", "extra", "load"),
    [
        ("ase", "molecules", g2_molecules),
        ("rdkit", "molecules", lambda: conformations("O", 1)),
        ("openmm", "alanine", lambda: load_builtin("alanine")),
    ],
)
def test_a_missing_package_is_one_line(package, extra, load, monkeypatch):
    for name in (package, "ase.collections", "rdkit.Chem"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(DataError, match=rf"{package}: install it .*\[{extra}\]"):
        load()
