"""The weights of a mixture by expectation maximization, on known log-densities."""

from typing import Any, NamedTuple

import numpy as np

__all__ = ["MixtureWeights", "fit_mixture_weights"]

# A weight from which EM could not return if it started below.
_SMALLEST_START = 1e-6


class MixtureWeights(NamedTuple):
    """Weights of a mixture and how good they are.

    Attributes:
        weights: w, [C], on the simplex.
        log_likelihood: mean of log Σⱼ wⱼ gⱼ(xᵢ), nats a row.
        gap: how many nats a row the optimum is above, at most.
        num_iterations: of EM.
    """

    weights: np.ndarray
    log_likelihood: float
    gap: float
    num_iterations: int


def fit_mixture_weights(
    log_densities: Any,
    *,
    initial: Any = None,
    sample_weight: Any = None,
    tolerance: float = 1e-6,
    max_iterations: int = 2000,
) -> MixtureWeights:
    """Returns the simplex w that maximizes Σᵢ sᵢ log Σⱼ wⱼ gⱼ(xᵢ) / Σᵢ sᵢ.

    The problem is concave. EM repeats wⱼ ← wⱼ Dⱼ with Dⱼ = mean of gⱼ / G, which
    never lowers the likelihood: from initial = (w (1 − ε), ε) a mixture that gets a
    new component cannot get worse than (1 − ε) times its density. No w is more than
    log maxⱼ Dⱼ above the present one, so EM stops when that gap is small. O(N C) an
    iteration.

    Args:
        log_densities: log gⱼ(xᵢ), [N, C].
        initial: w to start from, [C]; default uniform. Zeros are raised a little.
        sample_weight: sᵢ ≥ 0, [N]; default ones.
        tolerance: nats a row of the gap at which EM ends.
        max_iterations: ends EM in any case; the gap tells what is left.

    Raises:
        ValueError: no matrix, no rows, NaN or +∞, a row that no component explains.

    Reference: Lindsay (1983), "The geometry of mixture likelihoods", the gap; McLachlan
    and Peel (2000), "Finite Mixture Models", section 2.8, EM.
    """
    log_densities = np.asarray(log_densities, "float64")
    _check(log_densities)
    count, size = log_densities.shape
    # Rows are scaled by their largest density, which EM does not notice.
    largest = log_densities.max(axis=1)
    densities = np.exp(log_densities - largest[:, np.newaxis])
    rows = _shares(sample_weight, count)
    weights = np.full(size, 1.0) if initial is None else np.asarray(initial, "float64")
    weights = np.maximum(weights / weights.sum(), _SMALLEST_START)
    weights /= weights.sum()
    for iteration in range(max_iterations + 1):
        mixture = densities @ weights
        ascent = (rows / mixture) @ densities
        gap = float(np.log(ascent.max()))
        if gap <= tolerance or iteration == max_iterations:
            break
        weights = weights * ascent
        weights /= weights.sum()
    log_likelihood = float(rows @ (np.log(mixture) + largest))
    return MixtureWeights(weights, log_likelihood, gap, iteration)


def _check(log_densities: np.ndarray) -> None:
    if log_densities.ndim != 2 or 0 in log_densities.shape:
        raise ValueError(
            "log_densities must have shape [N, C] with N, C ≥ 1, received "
            f"{log_densities.shape}."
        )
    broken = np.isnan(log_densities).any(axis=1) | (log_densities == np.inf).any(axis=1)
    if broken.any():
        raise ValueError(
            f"log_densities has {int(broken.sum())} rows with NaN or +∞, first row "
            f"{int(np.argmax(broken))}."
        )
    unexplained = (log_densities == -np.inf).all(axis=1)
    if unexplained.any():
        raise ValueError(
            f"{int(unexplained.sum())} rows have density zero under every component, "
            f"first row {int(np.argmax(unexplained))}: no weights explain them."
        )


def _shares(sample_weight: Any, count: int) -> np.ndarray:
    """Returns N shares sᵢ / Σ s, equal ones without weights."""
    if sample_weight is None:
        return np.full(count, 1 / count)
    weights = np.asarray(sample_weight, "float64").reshape(-1)
    if len(weights) != count or not np.all(weights >= 0) or not weights.sum() > 0:
        raise ValueError(
            f"sample_weight must be {count} non-negative numbers that are not all "
            f"zero, received shape {np.shape(sample_weight)}."
        )
    return weights / weights.sum()
