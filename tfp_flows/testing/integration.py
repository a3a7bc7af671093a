"""Integration rules fitted to samples: ∫ f(x) dx ≈ Σᵢ exp(log_weightᵢ) f(xᵢ).

Up to three dimensions a product grid whose nodes spread like sinh, so that it is
fine where the samples are and still reaches far tails; above, importance sampling
from a multivariate t.
"""

from dataclasses import dataclass
from math import lgamma, log, pi

import numpy as np

__all__ = ["Frame", "Rule", "fit_frame", "grid_rule", "importance_rule"]

# Per dimension: nodes of an axis, and its reach in scales of the samples.
_GRIDS = {1: (4001, 1e6), 2: (241, 1e3), 3: (65, 30.0)}
# Samples are clipped at this many scales before the correlation is taken, which a
# heavy tail would dominate.
_CLIP = 3.0
_T_DEGREES = 5.0
_T_WIDENING = 1.1


@dataclass(frozen=True)
class Frame:
    """Coordinates z in which the samples have zero center and unit scale.

    x = center + L z, with L lower triangular.

    Args:
      center: [D].
      scale: [D, D], the matrix L.
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
class Rule:
    """Nodes and weights.

    Args:
      z: [n, D], the nodes in the coordinates of the frame.
      log_weight: [n], such that ∫ f dx ≈ Σᵢ exp(log_weightᵢ) f(xᵢ).
      reach: The rule covers |z| ≤ reach.
      coarse: [n], the nodes of the same rule with twice the spacing; None if the
        nodes are random.
    """

    z: np.ndarray
    log_weight: np.ndarray
    reach: float
    coarse: np.ndarray | None


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
    clipped = np.clip((samples - center) / spread, -_CLIP, _CLIP)
    covariance = np.atleast_2d(np.cov(clipped, rowvar=False))
    eigenvalues = np.linalg.eigvalsh(covariance)
    if eigenvalues[0] < 1e-7 * eigenvalues[-1]:
        raise ValueError("the samples lie in a subspace, where volume is zero")
    return Frame(center, spread[:, None] * np.linalg.cholesky(covariance))


def grid_rule(frame: Frame) -> Rule:
    """Trapezoid rule on a product grid in z = sinh(u), for D ≤ 3."""
    size = len(frame.center)
    nodes, reach = _GRIDS[size]
    u = np.linspace(-np.arcsinh(reach), np.arcsinh(reach), nodes)
    log_weight = np.log(u[1] - u[0]) + np.log(np.cosh(u))
    coarse = np.arange(nodes) % 2 == 0
    return Rule(
        z=_product(np.sinh(u), size),
        log_weight=_product(log_weight, size).sum(axis=1) + frame.log_volume,
        reach=reach,
        coarse=_product(coarse, size).all(axis=1),
    )


def importance_rule(frame: Frame, count: int, seed: int) -> Rule:
    """Random nodes from a multivariate t around the samples, weights 1 / (n q)."""
    rng = np.random.default_rng(seed)
    size = len(frame.center)
    chi = rng.chisquare(_T_DEGREES, [count, 1]) / _T_DEGREES
    t = rng.standard_normal([count, size]) / np.sqrt(chi)
    log_q = _log_t(t) - size * np.log(_T_WIDENING) - frame.log_volume
    return Rule(_T_WIDENING * t, -log_q - np.log(count), np.inf, None)


def _product(axis: np.ndarray, size: int) -> np.ndarray:
    return np.stack(np.meshgrid(*[axis] * size, indexing="ij"), -1).reshape(-1, size)


def _log_t(t: np.ndarray) -> np.ndarray:
    """Log-density of the standard multivariate t, without SciPy."""
    size, nu = t.shape[1], _T_DEGREES
    constant = lgamma((nu + size) / 2) - lgamma(nu / 2) - size / 2 * log(nu * pi)
    return constant - (nu + size) / 2 * np.log1p(np.sum(t**2, axis=1) / nu)
