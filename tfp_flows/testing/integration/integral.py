"""Integration of a density by a rule that is fitted to samples.

Up to three dimensions adaptive cubature in coordinates z = sinh(u), which reach far
tails; above, or where cubature does not converge, importance sampling.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tfp_flows.testing.integration.cubature import cubature
from tfp_flows.testing.integration.proposal import fit_proposal

__all__ = ["Frame", "Integral", "fit_frame", "integrate"]

_MAX_CUBATURE_DIMENSIONS = 3
_CUBATURE_ERROR = 5e-3
# Samples are clipped at this many scales before the correlation is taken, which a
# heavy tail would dominate.
_CLIP = 3.0
# Ratio of eigenvalues of a covariance that counts as singular.
_FLAT = 1e-7
# Nodes with less than this part of the average weight are left out of averages: most
# nodes of a cubature.
_NEGLIGIBLE = 1e-6


@dataclass(frozen=True)
class Frame:
    """Coordinates z in which samples have zero center and unit scale: x = c + L z.

    Args:
        center: [D].
        scale: [D, D], the lower triangular matrix L.
    """

    center: np.ndarray
    scale: np.ndarray

    @property
    def log_volume(self) -> float:
        """log|det L|."""
        return float(np.sum(np.log(np.diag(self.scale))))

    def to_x(self, z: np.ndarray) -> np.ndarray:
        """Maps z: [n, D] to x."""
        return self.center + z @ self.scale.T

    def to_z(self, x: np.ndarray) -> np.ndarray:
        """Maps x: [n, D] to z."""
        return np.linalg.solve(self.scale, (x - self.center).T).T


@dataclass(frozen=True)
class Integral:
    """A density at the nodes of a rule.

    Args:
        z: [n, D], the nodes in the coordinates of the frame.
        weights: [n], the density times the volume of each node.
        reach: The rule covers |z| ≤ reach.
        error: Standard error of the mass, or the error of the cubature.
        method: The rule in words.
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
            function: Maps z: [n, D] to [n, K], bounded by one.

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


def fit_frame(samples: np.ndarray) -> Frame:
    """Robust location, scale and correlation.

    Args:
        samples: [n, D].

    Returns:
        The frame: medians, half distances between the 16 % and 84 % quantiles, and
        the correlation of the samples clipped at three scales.

    Raises:
        ValueError: If the samples do not fill D dimensions.
    """
    low, center, high = np.quantile(samples, [0.16, 0.5, 0.84], axis=0)
    spread = (high - low) / 2
    if not (np.isfinite(spread).all() and (spread > 0).all()):
        raise ValueError("a coordinate of the samples is constant or not finite")
    scores = (samples - center) / spread
    inner = scores[(np.abs(scores) <= _CLIP).all(axis=1)]
    # Clipping hides a linear dependence, outliers feign one.
    if len(inner) > center.size and _is_flat(np.cov(inner, rowvar=False)):
        raise ValueError("the samples lie in a subspace, where volume is zero")
    covariance = np.atleast_2d(np.cov(np.clip(scores, -_CLIP, _CLIP), rowvar=False))
    if _is_flat(covariance):
        raise ValueError(f"{len(samples)} samples are too few for {center.size} axes")
    return Frame(center, spread[:, None] * np.linalg.cholesky(covariance))


def integrate(
    log_density: Callable[[np.ndarray], np.ndarray],
    samples: np.ndarray,
    frame: Frame,
    count: int,
    seed: int,
) -> Integral:
    """Integrates a density by cubature, or by importance sampling if that fails.

    Args:
        log_density: Maps x: [n, D] to [n].
        samples: [n, D], where the density is expected to live.
        frame: Coordinates fitted to the samples.
        count: Nodes of importance sampling.
        seed: Seed of importance sampling.

    Returns:
        The integral.
    """

    def density(z: np.ndarray, log_weight: np.ndarray) -> np.ndarray:
        return np.exp(log_weight + frame.log_volume + log_density(frame.to_x(z)))

    z = frame.to_z(samples)
    # An infinite mass is an infinite error, which the laws report.
    with np.errstate(over="ignore", invalid="ignore"):
        if z.shape[1] <= _MAX_CUBATURE_DIMENSIONS:
            rule = cubature(density, z)
            if rule.error <= _CUBATURE_ERROR:
                method = f"quadrature with {len(rule.nodes)} nodes"
                return Integral(
                    rule.nodes, rule.weights, rule.reach, rule.error, method
                )
        proposal = fit_proposal(z, seed)
        nodes = proposal.sample(count, seed)
        weights = density(nodes, -proposal.log_prob(nodes) - np.log(count))
        error = float(np.std(weights) * np.sqrt(count))
    return Integral(
        nodes, weights, np.inf, error, f"importance sampling with {count} nodes"
    )


def _is_flat(covariance: np.ndarray) -> bool:
    eigenvalues = np.linalg.eigvalsh(np.atleast_2d(covariance))
    return bool(eigenvalues[0] < _FLAT * eigenvalues[-1])
