"""Integration of a density by a rule that is fitted to samples.

Up to three dimensions the midpoint rule in coordinates z = sinh(u), which reach far
tails:

    ∫ p(z) dz = ∫ p(sinh u) Π cosh(uᵢ) du over a cube in u;

above, or where that rule does not resolve the density, importance sampling.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tfp_flows.testing.integration.frame import Frame
from tfp_flows.testing.integration.proposal import fit_proposal

__all__ = ["Integral", "integrate"]

# For each number of dimensions: reach in z, nodes of an axis (an even number).
_GRIDS = {1: (1e6, 2**14), 2: (1e3, 256), 3: (1e2, 56)}
_GRID_ERROR = 5e-3
# A log-density that differs by more between a sample and the nearest node is not
# resolved there.
_GAP = 2.0
# Nodes with less than this part of the average weight are left out of averages: most
# nodes of a grid.
_NEGLIGIBLE = 1e-6


@dataclass(frozen=True)
class Integral:
    """A density at the nodes of a rule.

    Args:
        z: [n, D], the nodes in the coordinates of the frame.
        weights: [n], the density times the volume of each node.
        reach: the rule covers |z| ≤ reach.
        error: standard error of the mass, or the error of the quadrature.
        method: the rule in words.
    """

    z: np.ndarray
    weights: np.ndarray
    reach: float
    error: float
    method: str

    @property
    def mass(self) -> float:
        """∫ p(x) dx."""
        return float(np.sum(self.weights))

    def average(
        self, function: Callable[[np.ndarray], np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Averages under the density, normalized by its mass.

        Args:
            function: maps z: [n, D] to [n, K], bounded by one.

        Returns:
            [K] averages and [K] standard errors.
        """
        share = self.weights / self.mass
        heavy = share > _NEGLIGIBLE / len(share)
        share, values = share[heavy], function(self.z[heavy])
        mean = share @ values
        if np.isfinite(self.reach):
            return mean, np.full_like(mean, self.error)
        return mean, np.sqrt(share**2 @ (values - mean) ** 2)


def integrate(
    log_density: Callable[[np.ndarray], np.ndarray],
    samples: np.ndarray,
    frame: Frame,
    count: int,
    seed: int,
) -> Integral:
    """Integrates a density by quadrature, or by importance sampling if that fails.

    Args:
        log_density: maps x: [n, D] to [n].
        samples: [n, D], where the density is expected to live.
        frame: coordinates fitted to the samples.
        count: nodes of importance sampling.
        seed: seed of importance sampling.
    """

    def log_p(z: np.ndarray) -> np.ndarray:
        return frame.log_volume + log_density(frame.to_x(z))

    z = frame.to_z(samples)
    # An infinite mass is an infinite error, which the laws report.
    with np.errstate(over="ignore", invalid="ignore"):
        if z.shape[1] in _GRIDS:
            integral = _by_quadrature(log_p, z)
            if integral.error <= _GRID_ERROR:
                return integral
        return _by_importance_sampling(log_p, z, count, seed)


def _by_quadrature(
    log_p: Callable[[np.ndarray], np.ndarray], samples: np.ndarray
) -> Integral:
    """The midpoint rule, which converges exponentially for smooth p.

    Its error is the larger one of two. By how much the mass changes if every other
    node of an axis is left out, at worst over the 2^D ways to do so; and the share of
    samples near which no node sees their density, such as those of a narrow peak.

    Reference: Trefethen and Weideman (2014), "The exponentially convergent
    trapezoidal rule".
    """
    size = samples.shape[1]
    reach, count = _GRIDS[size]
    edge = np.arcsinh(reach)
    width = 2 * edge / count
    axis = -edge + width * (np.arange(count) + 0.5)
    u = np.stack(np.meshgrid(*[axis] * size, indexing="ij"), -1).reshape(-1, size)
    z = np.sinh(u)
    log_values = log_p(z)
    weights = np.exp(log_values + np.log(width * np.cosh(u)).sum(axis=1))
    cells = weights.reshape([count // 2, 2] * size)
    coarser = 2**size * cells.sum(axis=tuple(range(0, 2 * size, 2)))
    places = np.floor((np.arcsinh(samples) + edge) / width).astype(np.int64)
    nearest = np.ravel_multi_index(tuple(places.T), [count] * size, mode="clip")
    is_seen = np.abs(log_p(samples) - log_values[nearest]) <= _GAP
    error = max(np.abs(coarser - np.sum(weights)).max(), np.mean(~is_seen))
    method = f"quadrature with {len(z)} nodes"
    return Integral(z, weights, reach, float(error), method)


def _by_importance_sampling(
    log_p: Callable[[np.ndarray], np.ndarray],
    samples: np.ndarray,
    count: int,
    seed: int,
) -> Integral:
    proposal = fit_proposal(samples, seed)
    z = proposal.sample(count, seed)
    weights = np.exp(log_p(z) - proposal.log_prob(z)) / count
    error = float(np.std(weights) * np.sqrt(count))
    return Integral(
        z, weights, np.inf, error, f"importance sampling with {count} nodes"
    )
