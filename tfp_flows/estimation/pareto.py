"""Shape of the tail of importance weights, in NumPy and float64."""

import numpy as np

__all__ = ["largest_trustworthy_shape", "pareto_shape"]

_FEWEST = 5  # exceedances that a tail is fit to
_PRIOR_COUNT, _PRIOR_SHAPE = 10, 0.5


def pareto_shape(log_weights: np.ndarray) -> float:
    """Returns k̂ of a generalized Pareto distribution fit to the largest weights.

    The weights' moments of order 1/k and above are infinite: their variance is for
    k ≥ ½, their mean for k ≥ 1. The tail is the largest min(n/5, 3 √n) weights; k̂ is
    drawn to ½ with the strength of ten of them.

    Args:
        log_weights: [n]; −∞ is a weight of zero.

    Returns:
        k̂; −∞ if the largest weights are all equal, ∞ if fewer than five are above
        the tail's threshold.

    Reference: Vehtari, Simpson, Gelman, Yao and Gabry (2024), "Pareto Smoothed
    Importance Sampling", section 3; Zhang and Stephens (2009) for the fit.
    """
    count = len(log_weights)
    tail = int(np.ceil(min(count / 5, 3 * np.sqrt(count))))
    weights = np.exp(np.sort(log_weights)[-tail - 1 :] - log_weights.max())
    excess = weights[1:] - weights[0]
    excess = excess[excess > 0]
    if len(excess) < _FEWEST:
        flat = weights[0] == weights[-1]
        return -np.inf if flat else np.inf
    shape = _fit_shape(excess)
    return float(
        (len(excess) * shape + _PRIOR_COUNT * _PRIOR_SHAPE)
        / (len(excess) + _PRIOR_COUNT)
    )


def largest_trustworthy_shape(count: int) -> float:
    """Returns min(1 − 1/log₁₀ n, 0.7): above it n weighted draws cannot be trusted."""
    return min(1 - 1 / np.log10(count), 0.7)


def _fit_shape(excess: np.ndarray) -> float:
    """Shape with the posterior mean of θ = −k/σ on a grid; `excess` ascending, > 0."""
    count = len(excess)
    size = 30 + int(np.sqrt(count))
    quartile = excess[int(count / 4 + 0.5) - 1]
    steps = np.arange(1, size + 1) - 0.5
    theta = 1 / excess[-1] + (1 - np.sqrt(size / steps)) / (3 * quartile)
    shapes = np.log1p(-theta[:, np.newaxis] * excess).mean(axis=1)
    profile = count * (np.log(-theta / shapes) - shapes - 1)
    posterior = np.exp(profile - np.logaddexp.reduce(profile))
    return float(np.log1p(-(posterior @ theta) * excess).mean())
