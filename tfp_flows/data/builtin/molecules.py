"""Molecules: positions and kinds of their atoms, padded to a number of places."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from tfp_flows.data.errors import DataError, missing_package
from tfp_flows.data.table import Table

__all__ = ["Molecules", "conformations", "g2_molecules", "load_alanine"]

# kcal/mol over Å and atomic mass unit, and mol·K, in units of Å, fs, amu.
_FORCE, _BOLTZMANN = 4.184e-4, 0.0019872041
_STEP, _FRICTION, _BURN_IN, _EVERY = 0.5, 0.02, 5_000, 30
_CHAINS = 8
_FRAMES = 20_000


@dataclasses.dataclass(frozen=True)
class Molecules:
    """Rows of molecules, their atoms in the order of falling atomic number.

    Attributes:
        positions: [N, P, 3], Å, centered; 0 in places without an atom.
        features: [N, P · K], a one-hot element for each place, 0 without an atom.
        elements: the K atomic numbers that there are, falling.
    """

    positions: np.ndarray
    features: np.ndarray
    elements: tuple[int, ...]

    @classmethod
    def of(cls, atoms: Sequence[tuple[Any, Any]]) -> "Molecules":
        """Pads molecules, each as atomic numbers [M] and positions [M, 3]."""
        elements = sorted({int(z) for numbers, _ in atoms for z in numbers})[::-1]
        places = max(len(numbers) for numbers, _ in atoms)
        positions = np.zeros([len(atoms), places, 3])
        features = np.zeros([len(atoms), places, len(elements)])
        for row, (numbers, at) in enumerate(atoms):
            order = np.argsort(-np.asarray(numbers), kind="stable")
            kinds = [elements.index(z) for z in np.asarray(numbers)[order]]
            features[row, np.arange(len(order)), kinds] = 1
            positions[row, : len(order)] = np.asarray(at)[order] - np.mean(at, axis=0)
        flat = features.reshape(len(atoms), -1)
        return cls(positions, flat, tuple(elements))


def g2_molecules() -> Molecules:
    """Loads the molecules of the G2 set of two atoms or more, at rest, by ASE.

    Raises:
        DataError: ASE is not installed.
    """
    try:
        from ase.collections import g2
    except ImportError as error:
        raise missing_package("ase", "molecules", "the set of G2 molecules") from error
    found = (g2[name] for name in g2.names)
    return Molecules.of([(m.numbers, m.positions) for m in found if len(m) > 1])


def conformations(
    smiles: str, num_rows: int, *, temperature: float = 600.0, seed: int = 0
) -> Molecules:
    """Draws conformations of one molecule at a temperature, the same by a seed.

    Langevin dynamics (BAOAB, half a femtosecond) of eight chains under RDKit's MMFF94,
    hydrogens included; every 15 fs after 2.5 ps is a row.

    Args:
        smiles: the molecule, such as "CCO" of ethanol.
        num_rows: N, of all chains together.
        temperature: kelvin.
        seed: of starts and noise.

    Raises:
        DataError: RDKit is not installed, or no molecule or no force field is found.
    """
    try:
        from rdkit import Chem
        from rdkit.Chem import rdDistGeom
        from rdkit.Chem import rdForceFieldHelpers as mmff
    except ImportError as error:
        raise missing_package("rdkit", "molecules", "conformations") from error
    molecule = Chem.MolFromSmiles(smiles)
    if molecule is None or molecule.GetNumAtoms() == 0:
        raise DataError(f"{smiles!r} is no SMILES of a molecule, such as 'CCO'")
    molecule = Chem.AddHs(molecule)
    starts = list(
        rdDistGeom.EmbedMultipleConfs(molecule, numConfs=_CHAINS, randomSeed=seed)
    )
    if len(starts) != _CHAINS or not mmff.MMFFHasAllMoleculeParams(molecule):
        raise DataError(f"{smiles!r}: RDKit's MMFF94 has no conformation of it")
    numbers = [atom.GetAtomicNum() for atom in molecule.GetAtoms()]
    masses = np.array([atom.GetMass() for atom in molecule.GetAtoms()])[:, None]
    properties = mmff.MMFFGetMoleculeProperties(molecule)
    frames = []
    for chain, start in enumerate(starts):
        place = molecule.GetConformer(start)
        field = mmff.MMFFGetMoleculeForceField(molecule, properties, confId=start)
        rng = np.random.default_rng([seed, chain])
        count = -(-num_rows // _CHAINS)
        frames.append(_langevin(field, place, masses, temperature, count, rng))
    rows = np.stack(frames, axis=1).reshape(-1, len(numbers), 3)[:num_rows]
    return Molecules.of([(numbers, x) for x in rows])


def load_alanine() -> Table:
    """Draws frames of alanine dipeptide as internal coordinates, the same every time.

    Raises:
        DataError: OpenMM is not installed.
    """
    from tfp_flows.energies import AlanineDipeptide

    try:
        molecule = AlanineDipeptide()
    except ImportError as error:
        raise missing_package(
            "openmm", "alanine", "the built-in set 'alanine'"
        ) from error
    return Table(
        name="alanine",
        values=molecule.internal(molecule.sample(_FRAMES)),
        columns=molecule.internal_names,
    )


def _langevin(
    field: Any,
    place: Any,
    masses: np.ndarray,
    temperature: float,
    count: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Frames of one chain, [count, M, 3]."""

    def acceleration(x: np.ndarray) -> np.ndarray:
        place.SetPositions(x)
        # Without it RDKit goes on with the distances of before.
        field.Initialize()
        return -_FORCE * np.reshape(field.CalcGrad(), x.shape) / masses

    kept = np.exp(-_FRICTION * _STEP)
    spread = np.sqrt((1 - kept**2) * _FORCE * _BOLTZMANN * temperature / masses)
    x, v = place.GetPositions(), np.zeros([len(masses), 3])
    pull, frames = acceleration(x), []
    for step in range(_BURN_IN + _EVERY * count):
        v = v + 0.5 * _STEP * pull
        x = x + 0.5 * _STEP * v
        v = kept * v + spread * rng.normal(size=v.shape)
        x = x + 0.5 * _STEP * v
        pull = acceleration(x)
        v = v + 0.5 * _STEP * pull
        if step >= _BURN_IN and (step - _BURN_IN) % _EVERY == 0:
            frames.append(x)
    return np.array(frames)
