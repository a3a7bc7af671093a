"""The weights of a mixture that approximates a density known up to a constant."""

from typing import Any, NamedTuple

import numpy as np

__all__ = ["PosteriorWeights", "fit_posterior_weights"]

# A weight from which a product of exponentials could not return if it started below.
_SMALLEST_START = 1e-6
_HALVINGS = 30


class PosteriorWeights(NamedTuple):
    """Weights of a mixture and the divergence they leave.

    Attributes:
        weights: w, [C], on the simplex.
        objective: Σⱼ wⱼ E_{gⱼ}[log G − log p(x, z)], the negative bound, nats.
        num_iterations: steps taken.
    """

    weights: np.ndarray
    objective: float
    num_iterations: int


def fit_posterior_weights(
    log_joint: Any,
    log_densities: Any,
    *,
    initial: Any = None,
    tolerance: float = 1e-7,
    max_iterations: int = 500,
) -> PosteriorWeights:
    """Returns the simplex w that minimizes F(w) = Σⱼ wⱼ E_{gⱼ}[log G_w − log p].

    G_w = Σₖ wₖ gₖ is exact; expectations are means over fixed draws of each
    component, so that F is one smooth function. Exponentiated gradient:
    wⱼ ← wⱼ exp(−η ∂F/∂wⱼ) / Z, where η = 1 is the fixed-point step
    wⱼ ∝ wⱼ exp E_{gⱼ}[log p − log G] of this problem; η is halved until F falls, so
    F never rises. O(C² M) an iteration.

    Args:
        log_joint: log p(x, z) at M draws z of each component, [C, M].
        log_densities: log gₖ at the draws of gⱼ, [C, M, C]: [j, m, k].
        initial: w to start from, [C]; default uniform. Zeros are raised a little.
        tolerance: ends where a step gains less, nats.
        max_iterations: ends it in any case.

    Raises:
        ValueError: wrong shapes, or values that are not finite.

    Reference: Kivinen and Warmuth (1997), "Exponentiated Gradient versus Gradient
    Descent for Linear Predictors", the update.
    """
    log_joint = np.asarray(log_joint, "float64")
    log_densities = np.asarray(log_densities, "float64")
    _check(log_joint, log_densities)
    size = len(log_joint)
    weights = np.full(size, 1.0) if initial is None else np.asarray(initial, "float64")
    weights = np.maximum(weights / weights.sum(), _SMALLEST_START)
    weights /= weights.sum()
    objective, gradient = _objective(weights, log_joint, log_densities)
    for iteration in range(1, max_iterations + 1):  # noqa: B007
        found = _step(weights, objective, gradient, log_joint, log_densities)
        gain = objective - found[1]
        weights, objective, gradient = found
        if gain <= tolerance:
            break
    return PosteriorWeights(weights, objective, iteration)


def _step(
    weights: np.ndarray,
    objective: float,
    gradient: np.ndarray,
    log_joint: np.ndarray,
    log_densities: np.ndarray,
) -> tuple[np.ndarray, float, np.ndarray]:
    """The longest of the steps η = 1, ½, ¼ … that does not raise the objective."""
    centered = gradient - gradient.min()
    for halving in range(_HALVINGS):
        moved = weights * np.exp(-centered / 2**halving)
        moved /= moved.sum()
        value, slope = _objective(moved, log_joint, log_densities)
        if value <= objective:
            return moved, value, slope
    return weights, objective, gradient


def _objective(
    weights: np.ndarray, log_joint: np.ndarray, log_densities: np.ndarray
) -> tuple[float, np.ndarray]:
    """F and its gradient: E_{gⱼ}[log G − log p] + Σₖ wₖ E_{gₖ}[gⱼ / G]."""
    largest = log_densities.max(axis=2, keepdims=True)
    densities = np.exp(log_densities - largest)
    mixture = densities @ weights
    log_mixture = np.log(mixture) + largest[..., 0]
    excess = (log_mixture - log_joint).mean(axis=1)
    shares = (densities / mixture[..., np.newaxis]).mean(axis=1)
    return float(weights @ excess), excess + weights @ shares


def _check(log_joint: np.ndarray, log_densities: np.ndarray) -> None:
    shape = (*log_joint.shape, len(log_joint)) if log_joint.ndim == 2 else None
    if shape is None or 0 in shape or log_densities.shape != shape:
        raise ValueError(
            "log_joint must have shape [C, M] and log_densities [C, M, C] with C, "
            f"M ≥ 1; received {log_joint.shape} and {log_densities.shape}."
        )
    own = np.einsum("jmj->jm", log_densities)
    if not (np.isfinite(log_joint).all() and np.isfinite(own).all()):
        raise ValueError(
            "log_joint and each component's density at its own draws must be finite: "
            "training has diverged, or log p is −∞ where a component puts mass."
        )
    if np.isnan(log_densities).any() or (log_densities == np.inf).any():
        raise ValueError("log_densities has NaN or +∞: a component's inverse failed.")
