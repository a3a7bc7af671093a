"""Adaptive cubature on cells that are halved where the integrand or samples demand it.

∫ p(z) dz = ∫ p(sinh u) Π cosh(uᵢ) du over a cube in u, so that equal cells in u are
fine near zero and grow with |z|.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

__all__ = ["Cubature", "cubature"]

# Per dimension: reach in z, cells of an axis at the start, Gauss points of an axis.
_SETTINGS = {1: (1e6, 32, 8), 2: (1e3, 8, 5), 3: (1e3, 4, 3)}
# A cell is halved if the Gauss rule on its halves changes its mass by more.
_CELL_ERROR = 1e-5
# A cell is also halved if it holds more than this share of the samples, or some
# samples and much less mass: so thin ridges between the nodes are seen.
_CROWDED = 0.01
_FEW, _MISSED = 1, 0.2
_MAX_NODES = 400_000


@dataclass(frozen=True)
class Cubature:
    """Nodes and weights of a converged rule.

    Args:
        nodes: [n, D] in z.
        weights: [n], density times volume.
        reach: The cube covers |z| ≤ reach.
        error: Sum over the cells of the last change of their mass.
    """

    nodes: np.ndarray
    weights: np.ndarray
    reach: float
    error: float


@dataclass(frozen=True)
class _Cells:
    """Cells of one width in u; cell i starts at −edge + width · index_i.

    Args:
        index: [m, D], whole numbers.
        width: Edge length of a cell in u.
        edge: Half the edge length of the cube in u.
        points: Gauss points of an axis.
    """

    index: np.ndarray
    width: float
    edge: float
    points: int

    def halves(self) -> "_Cells":
        """The 2^D parts of each cell, those of one cell in sequence."""
        size = self.index.shape[1]
        index = (2 * self.index[:, None] + _product(np.arange(2), size)[None]).reshape(
            -1, size
        )
        return _Cells(index, self.width / 2, self.edge, self.points)

    def chosen(self, mask: np.ndarray) -> "_Cells":
        """The cells of a mask."""
        return _Cells(self.index[mask], self.width, self.edge, self.points)

    def evaluate(self, density: Callable) -> tuple[np.ndarray, np.ndarray]:
        """Nodes z: [m, q, D] and weights [m, q] of the Gauss rule in each cell."""
        count, size = self.index.shape
        gauss, gauss_weights = np.polynomial.legendre.leggauss(self.points)
        offsets = self.width * _product((gauss + 1) / 2, size)
        u = -self.edge + self.width * self.index[:, None] + offsets[None]
        log_rule = _product(np.log(gauss_weights * self.width / 2), size).sum(axis=1)
        log_weight = log_rule + np.log(np.cosh(u)).sum(axis=2)
        z = np.sinh(u)
        weights = density(z.reshape(-1, size), log_weight.reshape(-1))
        return z, weights.reshape(count, -1)

    def occupancy(self, samples: np.ndarray) -> np.ndarray:
        """[m], the share of the samples (in u) in each cell."""
        per_axis = round(2 * self.edge / self.width)
        places = np.floor((samples + self.edge) / self.width).astype(np.int64)
        places = places[((places >= 0) & (places < per_axis)).all(axis=1)]
        powers = per_axis ** np.arange(self.index.shape[1])
        keys, counts = np.unique(places @ powers, return_counts=True)
        shares = dict(zip(keys.tolist(), (counts / len(samples)).tolist(), strict=True))
        return np.array([shares.get(key, 0) for key in (self.index @ powers).tolist()])


def cubature(
    density: Callable[[np.ndarray, np.ndarray], np.ndarray], samples: np.ndarray
) -> Cubature:
    """Integrates a density over a cube, most finely where it changes.

    Args:
        density: Maps nodes z: [n, D] and log-weights [n] to weighted densities [n].
        samples: [n, D], where the density is expected to live.

    Returns:
        The rule with its error; not converged if 400,000 nodes were not enough.
    """
    size = samples.shape[1]
    reach, per_axis, points = _SETTINGS[size]
    edge = float(np.arcsinh(reach))
    cells = _Cells(
        _product(np.arange(per_axis), size), 2 * edge / per_axis, edge, points
    )
    mass = cells.evaluate(density)[1].sum(axis=1)
    u_samples = np.arcsinh(samples)
    kept, error, evaluated = [], 0.0, 0
    while True:
        halves = cells.halves()
        z, weights = halves.evaluate(density)
        evaluated += weights.size
        refined = weights.sum(axis=1).reshape(len(mass), -1).sum(axis=1)
        share = cells.occupancy(u_samples)
        missed = (share > _FEW / len(samples)) & (refined < _MISSED * share)
        split = ~(np.abs(refined - mass) <= _CELL_ERROR)
        split |= (share > _CROWDED) | missed
        if evaluated + weights[0].size * 4**size * split.sum() > _MAX_NODES:
            split[:] = False
        error += float(np.sum(np.abs(refined - mass)[~split]))
        again = np.repeat(split, 2**size)
        kept.append((z[~again].reshape(-1, size), weights[~again].reshape(-1)))
        if not split.any():
            break
        cells, mass = halves.chosen(again), weights[again].sum(axis=1)
    nodes, node_weights = (np.concatenate(parts) for parts in zip(*kept, strict=True))
    return Cubature(nodes, node_weights, reach, error)


def _product(axis: np.ndarray, size: int) -> np.ndarray:
    return np.stack(np.meshgrid(*[axis] * size, indexing="ij"), -1).reshape(-1, size)
