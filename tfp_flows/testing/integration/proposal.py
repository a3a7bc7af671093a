"""A mixture of multivariate t distributions fitted to samples, to draw nodes from."""

from dataclasses import dataclass
from math import lgamma, log, pi

import numpy as np

from tfp_flows.testing.integration.frame import Frame

__all__ = ["Proposal", "fit_proposal"]

_DEGREES = 5.0
_MAX_COMPONENTS = 16
# Samples for each entry of a covariance that a component has to estimate.
_SAMPLES_PER_ENTRY = 20
_ITERATIONS = 10
_RIDGE = 1e-8
# The fitted scales are widened, and one wide component covers what the fit missed.
_WIDENING = 1.1
_WIDE, _WIDE_SHARE = 3.0, 0.1


@dataclass(frozen=True)
class Proposal:
    """q(z) = Σₖ πₖ t(z; ν, mₖ, Lₖ Lₖᵀ), with ν = 5 degrees of freedom.

    Args:
        shares: [K], πₖ.
        frames: K frames, their centers mₖ and scales Lₖ.
    """

    shares: np.ndarray
    frames: tuple[Frame, ...]

    def sample(self, count: int, seed: int) -> np.ndarray:
        """[count, D] draws."""
        rng = np.random.default_rng(seed)
        t = rng.standard_normal([count, self.frames[0].center.size])
        t /= np.sqrt(rng.chisquare(_DEGREES, [count, 1]) / _DEGREES)
        ends = np.cumsum(rng.multinomial(count, self.shares))[:-1]
        parts = zip(self.frames, np.split(t, ends), strict=True)
        return np.concatenate([frame.to_x(part) for frame, part in parts])

    def log_prob(self, z: np.ndarray) -> np.ndarray:
        """[n], log q(z)."""
        return np.logaddexp.reduce(self.log_parts(self.distances(z)), axis=1)

    def log_parts(self, distances: np.ndarray) -> np.ndarray:
        """[n, K], log(πₖ t(z; k)) from squared Mahalanobis distances."""
        nu, size = _DEGREES, self.frames[0].center.size
        constant = lgamma((nu + size) / 2) - lgamma(nu / 2) - size / 2 * log(nu * pi)
        log_t = constant - (nu + size) / 2 * np.log1p(distances / nu)
        return np.log(self.shares) + log_t - [f.log_volume for f in self.frames]

    def distances(self, z: np.ndarray) -> np.ndarray:
        """[n, K], squared Mahalanobis distances."""
        columns = [np.sum(frame.to_z(z) ** 2, axis=1) for frame in self.frames]
        return np.stack(columns, axis=1)


def fit_proposal(samples: np.ndarray, seed: int) -> Proposal:
    """Expectation maximization for a mixture of t distributions.

    As many components as the samples can determine, at most 16; in more than about
    twenty dimensions one. Always one would decide little about clusters: for three in
    five dimensions the standard error of the mass is fourteen times as large.

    Args:
        samples: [n, D], standardized.
        seed: seed of the first centers.

    Returns:
        The fitted mixture, widened by a tenth, and one wide component.
    """
    count, size = samples.shape
    number = int(np.clip(count // (_SAMPLES_PER_ENTRY * size**2), 1, _MAX_COMPONENTS))
    centers = np.random.default_rng(seed).choice(samples, number, replace=False)
    mixture = Proposal(
        np.full(number, 1 / number), tuple(Frame(c, np.eye(size)) for c in centers)
    )
    for _ in range(_ITERATIONS):
        mixture = _improved(mixture, samples)
    widened = [Frame(f.center, _WIDENING * f.scale) for f in mixture.frames]
    return Proposal(
        np.append((1 - _WIDE_SHARE) * mixture.shares, _WIDE_SHARE),
        (*widened, Frame(np.zeros(size), _WIDE * np.eye(size))),
    )


def _improved(mixture: Proposal, samples: np.ndarray) -> Proposal:
    """One step of expectation maximization.

    Reference: Peel and McLachlan (2000), "Robust mixture modelling using the t
    distribution".
    """
    distances = mixture.distances(samples)
    log_parts = mixture.log_parts(distances)
    belonging = np.exp(log_parts - np.logaddexp.reduce(log_parts, axis=1)[:, None])
    shares = belonging.mean(axis=0) + 1e-9
    # Dividing by the damped total converges faster to the same fixed point.
    weights = belonging / (_DEGREES + distances)
    frames = [_weighted_frame(samples, w / w.sum()) for w in weights.T]
    return Proposal(shares / shares.sum(), tuple(frames))


def _weighted_frame(samples: np.ndarray, weights: np.ndarray) -> Frame:
    center = weights @ samples
    offsets = samples - center
    covariance = offsets.T @ (weights[:, None] * offsets)
    return Frame(center, np.linalg.cholesky(covariance + _RIDGE * np.eye(center.size)))
