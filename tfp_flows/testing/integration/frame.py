"""Coordinates in which samples have zero center and unit scale."""

from dataclasses import dataclass

import numpy as np

__all__ = ["Frame", "fit_frame"]

# Samples are clipped at this many scales before the correlation is taken, which a
# heavy tail would dominate.
_CLIP = 3.0
# Ratio of eigenvalues of a covariance that counts as singular.
_FLAT = 1e-7


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


def fit_frame(samples: np.ndarray) -> Frame:
    """Robust location, scale and correlation.

    Args:
        samples: [n, D].

    Returns:
        The frame: medians, half distances between the 16 % and 84 % quantiles, and
        the correlation of the samples clipped at three scales.

    Raises:
        ValueError: the samples do not fill D dimensions.
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


def _is_flat(covariance: np.ndarray) -> bool:
    eigenvalues = np.linalg.eigvalsh(np.atleast_2d(covariance))
    return bool(eigenvalues[0] < _FLAT * eigenvalues[-1])
