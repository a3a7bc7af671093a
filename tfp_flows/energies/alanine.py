"""Alanine dipeptide in vacuum, by OpenMM: frames at a temperature and their energy."""

import functools
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfp_flows.ops import dihedral_angles, from_internal, to_internal

__all__ = ["AlanineDipeptide"]

# OpenMM's order: acetyl, alanine, N-methyl. Names as in its templates of residues.
_RESIDUES = {
    "ACE": "HH31 CH3 HH32 HH33 C O",
    "ALA": "N H CA HA CB HB1 HB2 HB3 C O",
    "NME": "N H CH3 HH31 HH32 HH33",
}
_SYMBOLS = "HCHHCONHCHCHHHCONHCHHH"
_NUMBERS = {"H": 1, "C": 6, "N": 7, "O": 8}
# Rows of the Z-matrix beside the angle and the torsion, in degrees, of a start: every
# pair of the first two atoms is a bond. What hangs on an atom that something hangs on
# already is turned with that: its torsion varies little.
_ROWS: tuple[tuple[tuple[int, ...], float, float], ...] = (
    ((8,), 0, 0),
    ((6, 8), 0, 0),
    ((14, 8, 6), 110, 0),
    ((4, 6, 8, 14), 120, -80),
    ((16, 14, 8, 6), 120, 80),
    ((10, 8, 6, 14), 110, -120),
    ((9, 8, 6, 14), 110, 120),
    ((5, 4, 6, 8), 120, 0),
    ((1, 4, 6, 5), 120, 180),
    ((7, 6, 8, 4), 120, 180),
    ((15, 14, 8, 16), 120, 180),
    ((17, 16, 14, 15), 120, 180),
    ((18, 16, 14, 17), 120, 180),
    ((0, 1, 4, 5), 110, 60),
    ((2, 1, 4, 0), 110, 120),
    ((3, 1, 4, 0), 110, -120),
    ((11, 10, 8, 6), 110, 60),
    ((12, 10, 8, 11), 110, 120),
    ((13, 10, 8, 11), 110, -120),
    ((19, 18, 16, 14), 110, 60),
    ((20, 18, 16, 19), 110, 120),
    ((21, 18, 16, 19), 110, -120),
)
_FORCE_FIELD, _STEP, _FRICTION, _BURN_IN = "amber96.xml", 1e-3, 1.0, 10_000
_NANOMETER = 10.0


class AlanineDipeptide:
    """Twenty-two atoms with the density exp(−U(x) / kT) / Z of their shapes.

    AMBER's ff96 in vacuum without constraints, on OpenMM's Reference platform, in
    double precision. Atoms stand in OpenMM's order, positions in Å.

        molecule = AlanineDipeptide()
        x = molecule.sample(10_000)
        weighted = reweight(model, molecule.energy)

    Its mirror image has the same energy, but is another molecule, into which no
    dynamics turns it: `hand` says whose density exp(−U / kT) is.

    Args:
        temperature: T, kelvin.
        hand: "L": the energy of mirror images is ∞; "both": it is what it is.

    Raises:
        ImportError: OpenMM is not installed.
        ValueError: a temperature that is not positive, or another hand.
    """

    z_matrix = tuple(row for row, _, _ in _ROWS)
    """What each atom is placed by, for `bijectors.InternalCoordinates`."""
    numbers = np.array([_NUMBERS[symbol] for symbol in _SYMBOLS])
    """Atomic numbers, [22]."""
    phi, psi = (4, 6, 8, 14), (6, 8, 14, 16)
    """The atoms of the two torsions of the backbone."""

    def __init__(self, temperature: float = 600.0, *, hand: str = "L") -> None:
        if not temperature > 0:
            raise ValueError(f"temperature must be above 0 K, received {temperature}.")
        if hand not in ("L", "both"):
            raise ValueError(f'hand must be "L" or "both", received {hand!r}.')
        self.temperature, self.hand = temperature, hand
        self._openmm = _openmm()

    def sample(
        self, num_rows: int, *, every: int = 100, seed: int = 0, verbose: int = 1
    ) -> np.ndarray:
        """Draws frames of one trajectory: Langevin dynamics in steps of 1 fs.

        Of friction 1/ps, after 10 ps from a minimum of the energy.

        Args:
            num_rows: K.
            every: steps from one frame to the next.
            seed: of velocities and noise; the same frames every time.
            verbose: 1 for a progress bar, 0 for silence.

        Returns:
            [K, 22, 3] float64, Å.
        """
        integrator = self._openmm.LangevinMiddleIntegrator(
            self.temperature, _FRICTION, _STEP
        )
        # Its 0 stands for a seed of OpenMM's own choice.
        integrator.setRandomNumberSeed(seed + 1)
        context = self._context(integrator)
        context.setPositions(self.minimum / _NANOMETER)
        context.setVelocitiesToTemperature(self.temperature, seed + 1)
        integrator.step(_BURN_IN)
        progress = keras.utils.Progbar(num_rows, verbose=verbose, unit_name="frame")
        frames = np.empty([num_rows, len(self.numbers), 3])
        for row in range(num_rows):
            integrator.step(every)
            frames[row] = _NANOMETER * _read(context, positions=True)
            if row % 1_000 == 999 or row + 1 == num_rows:
                progress.update(row + 1)
        return frames

    def energy(self, x: Any) -> np.ndarray:
        """U / kT of rows [b, 22, 3] in Å: [b] float64."""
        x = np.asarray(x, "float64")
        found = np.array([self._one(row, energy=True) for row in x]) / self._kt
        if self.hand == "both":
            return found
        return np.where(self.chirality(x) > 0, found, np.inf)

    def force(self, x: Any) -> np.ndarray:
        """−∇U / kT of rows [b, 22, 3], 1/Å, in their shape."""
        x = np.asarray(x, "float64")
        forces = [self._one(row, forces=True) for row in x]
        return np.reshape(forces, x.shape) / (self._kt * _NANOMETER)

    def chirality(self, x: Any) -> np.ndarray:
        """(Cβ − Cα) · (N − Cα) × (C − Cα), [b], Å³: positive of L, negative of D."""
        x = np.asarray(x, "float64")
        side, amine, acid = (x[:, i] - x[:, 8] for i in (10, 6, 14))
        return np.sum(side * np.cross(amine, acid), axis=-1)

    def backbone(self, x: Any) -> np.ndarray:
        """φ and ψ of rows [b, 22, 3]: [b, 2], radians in (−π, π]."""
        return dihedral_angles(tf.convert_to_tensor(x), [self.phi, self.psi]).numpy()

    def internal(self, x: Any) -> np.ndarray:
        """Bonds in Å, angles and torsions in radians, by `z_matrix`.

        Torsions are in (−π, π] about those of a start: mostly in one piece.

        Args:
            x: [b, 22, 3].

        Returns:
            [b, 60].
        """
        q = to_internal(tf.convert_to_tensor(x), self.z_matrix).numpy()
        center = np.radians([torsion for _, _, torsion in _ROWS[3:]])
        turned = q[:, -len(center) :] - center
        q[:, -len(center) :] -= 2 * np.pi * np.round(turned / (2 * np.pi))
        return q

    @property
    def internal_names(self) -> tuple[str, ...]:
        """Of the columns of `internal`, by the atom that each places; φ, ψ by name."""
        kinds = {"bond": 1, "angle": 2, "torsion": 3}
        names = (
            f"{kind}{row[0]}"
            for kind, first in kinds.items()
            for row in self.z_matrix[first:]
        )
        # Of the torsion of its row, which is that of the backbone.
        named = {f"torsion{self.phi[0]}": "phi", f"torsion{self.psi[-1]}": "psi"}
        return tuple(named.get(name, name) for name in names)

    @functools.cached_property
    def minimum(self) -> np.ndarray:
        """Where the energy is least near φ = −80°, ψ = 80°: [22, 3], Å."""
        angles, torsions = (np.radians([row[i] for row in _ROWS]) for i in (1, 2))
        bonds = [1.09 if _SYMBOLS[row[0]] == "H" else 1.4 for row in self.z_matrix]
        start = np.concatenate([bonds[1:], angles[2:], torsions[3:]])
        start = from_internal(tf.constant(start), self.z_matrix).numpy()
        context = self._evaluator
        context.setPositions(start / _NANOMETER)
        self._openmm.LocalEnergyMinimizer.minimize(context, 1e-3)
        return _NANOMETER * _read(context, positions=True)

    @property
    def _kt(self) -> float:
        """K T in OpenMM's unit of energy, kJ/mol."""
        return 8.31446261815324e-3 * self.temperature

    @functools.cached_property
    def _evaluator(self) -> Any:
        return self._context(self._openmm.VerletIntegrator(_STEP))

    def _context(self, integrator: Any) -> Any:
        platform = self._openmm.Platform.getPlatformByName("Reference")
        return self._openmm.Context(self._system, integrator, platform)

    @functools.cached_property
    def _system(self) -> Any:
        from openmm import app

        topology = app.Topology()
        chain = topology.addChain()
        atoms: list[Any] = []
        for name, members in _RESIDUES.items():
            residue = topology.addResidue(name, chain)
            for atom in members.split():
                element = app.Element.getBySymbol(_SYMBOLS[len(atoms)])
                atoms.append(topology.addAtom(atom, element, residue))
        for row in self.z_matrix[1:]:
            topology.addBond(atoms[row[0]], atoms[row[1]])
        return app.ForceField(_FORCE_FIELD).createSystem(
            topology, nonbondedMethod=app.NoCutoff, constraints=None
        )

    def _one(self, x: np.ndarray, **what: bool) -> Any:
        self._evaluator.setPositions(x / _NANOMETER)
        return _read(self._evaluator, **what)


def _openmm() -> Any:
    try:
        import openmm
    except ImportError as error:
        raise ImportError(
            "alanine dipeptide needs the package openmm: install it with "
            'pip install "tfp_flows[alanine]"'
        ) from error
    return openmm


def _read(context: Any, **what: bool) -> Any:
    """One of positions, forces or energy, as plain numbers of OpenMM's own units."""
    (name,) = what
    state = context.getState(**what)
    if name == "energy":
        return state.getPotentialEnergy()._value
    read = state.getPositions if name == "positions" else state.getForces
    return read(asNumpy=True)._value
