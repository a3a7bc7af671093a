"""A mixture of multivariate t distributions fitted to samples, to draw nodes from."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import lgamma, log, pi

import numpy as np

__all__ = ["Proposal", "fit_proposal"]

_DEGREES = 5.0
_MAX_COMPONENTS = 16
# Samples for each entry of a covariance that a component has to estimate.
_SAMPLES_PER_ENTRY = 20
_MAX_ITERATIONS = 20
# Expectation maximization ends when a step gains fewer nats per number of a sample.
_GAIN = 2e-3
_RIDGE = 1e-4
# The fitted scales are widened, and one wide component with
# the tails of a Cauchy distribution covers what the fit missed.
_WIDENING = 1.1
_WIDE, _WIDE_SHARE, _WIDE_DEGREES = 1.5, 0.1, 1.0


@dataclass(frozen=True)
class Proposal:
    """q(z) = Σₖ πₖ t(z; νₖ, mₖ, Lₖ Lₖᵀ).

    Args:
        shares: [K], πₖ.
        degrees: [K], the degrees of freedom νₖ.
        centers: [K, D], mₖ.
        scales: [K, D, D], lower triangular Lₖ.
    """

    shares: np.ndarray
    degrees: np.ndarray
    centers: np.ndarray
    scales: np.ndarray

    def sample(self, count: int, seed: int) -> np.ndarray:
        """[count, D] draws."""
        rng = np.random.default_rng(seed)
        counts = rng.multinomial(count, self.shares)
        parts = []
        for n, nu, center, scale in zip(
            counts, self.degrees, self.centers, self.scales, strict=True
        ):
            normal = rng.standard_normal([n, len(center)])
            t = normal / np.sqrt(rng.chisquare(nu, [n, 1]) / nu)
            parts.append(center + t @ scale.T)
        return np.concatenate(parts)

    def log_prob(self, z: np.ndarray) -> np.ndarray:
        """[n], log q(z)."""
        return np.logaddexp.reduce(self.log_parts(self.distances(z)), axis=1)

    def log_parts(self, distances: np.ndarray) -> np.ndarray:
        """[n, K], log(πₖ t(z; k)) from squared Mahalanobis distances."""
        nu, size = self.degrees, self.centers.shape[1]
        constant = np.array([_log_constant(degrees, size) for degrees in nu])
        log_det = np.log(np.diagonal(self.scales, axis1=1, axis2=2)).sum(axis=1)
        log_t = constant - (nu + size) / 2 * np.log1p(distances / nu)
        return np.log(self.shares) + log_t - log_det

    def distances(self, z: np.ndarray) -> np.ndarray:
        """[n, K], squared Mahalanobis distances."""
        columns = [
            np.sum(((z - center) @ np.linalg.inv(scale).T) ** 2, axis=1)
            for center, scale in zip(self.centers, self.scales, strict=True)
        ]
        return np.stack(columns, axis=1)


def fit_proposal(samples: np.ndarray, seed: int) -> Proposal:
    """Expectation maximization for a mixture of t distributions.

    As many components as the samples can determine, at most 16; in more than about
    twenty dimensions one.

    Args:
        samples: [n, D], standardized.
        seed: Seed of the first centers.

    Returns:
        The fitted mixture, widened by a tenth, and one wide component.
    """
    count, size = samples.shape
    number = int(np.clip(count // (_SAMPLES_PER_ENTRY * size**2), 1, _MAX_COMPONENTS))
    rng = np.random.default_rng(seed)
    mixture = Proposal(
        np.full(number, 1 / number),
        np.full(number, _DEGREES),
        samples[rng.choice(count, number, replace=False)],
        np.stack([np.eye(size)] * number),
    )
    last = -np.inf
    for _ in range(_MAX_ITERATIONS):
        mixture, log_likelihood = _improved(mixture, samples)
        if log_likelihood - last < _GAIN * size:
            break
        last = log_likelihood
    return Proposal(
        np.append((1 - _WIDE_SHARE) * mixture.shares, _WIDE_SHARE),
        np.append(mixture.degrees, _WIDE_DEGREES),
        np.concatenate([mixture.centers, np.zeros([1, size])]),
        np.concatenate([_WIDENING * mixture.scales, _WIDE * np.eye(size)[None]]),
    )


def _improved(mixture: Proposal, samples: np.ndarray) -> tuple[Proposal, float]:
    """One step of expectation maximization, and the log-likelihood before it.

    Reference: Peel and McLachlan (2000), "Robust mixture modelling using the t
    distribution".
    """
    size = samples.shape[1]
    distances = mixture.distances(samples)
    log_parts = mixture.log_parts(distances)
    log_prob = np.logaddexp.reduce(log_parts, axis=1)
    belonging = np.exp(log_parts - log_prob[:, None])
    damping = (mixture.degrees + size) / (mixture.degrees + distances)
    totals = belonging.sum(axis=0) + 1e-9
    weights = belonging * damping
    centers = (weights.T @ samples) / weights.sum(axis=0)[:, None]
    scales: Sequence[np.ndarray] = [
        # Dividing by the damped total converges faster to the same fixed point.
        _scale(samples - center, weights[:, k] / weights[:, k].sum())
        for k, center in enumerate(centers)
    ]
    shares = totals / totals.sum()
    improved = Proposal(shares, mixture.degrees, centers, np.stack(scales))
    return improved, float(log_prob.mean())


def _log_constant(nu: float, size: int) -> float:
    return lgamma((nu + size) / 2) - lgamma(nu / 2) - size / 2 * log(nu * pi)


def _scale(offsets: np.ndarray, weights: np.ndarray) -> np.ndarray:
    covariance = offsets.T @ (weights[:, None] * offsets)
    return np.linalg.cholesky(covariance + _RIDGE * np.eye(offsets.shape[1]))
