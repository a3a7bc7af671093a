"""Maximum likelihood of a Gaussian mixture by EM, in NumPy and float64."""

from typing import NamedTuple

import numpy as np

__all__ = ["FittedMixture", "fit_gaussian_mixture", "select_gaussian_mixture"]

_LLOYD_STEPS = 15


class FittedMixture(NamedTuple):
    """A Gaussian mixture: weights [K], means [K, D], factors [K, D, D].

    A factor U is upper triangular with UᵀU the component's precision.
    """

    weights: np.ndarray
    means: np.ndarray
    precision_factors: np.ndarray


def select_gaussian_mixture(
    rows: np.ndarray, most: int, *, starts: int = 2, seed: int = 0
) -> FittedMixture:
    """Returns the mixture whose number of components does best on held-out rows.

    Tries 1, ¼, ½, ¾ and all of `most` components, each from several starts, on four
    fifths of the rows; another one is taken if its gain on the last fifth exceeds the
    gain's standard error. EM goes on from it with all rows.

    Args:
        rows: [N, D].
        most: the largest number of components.
        starts: clusterings to start from for each number.
        seed: of the division of the rows and of the starts.
    """
    order = np.random.default_rng(seed).permutation(len(rows))
    held_out, others = np.split(rows[order], [len(rows) // 5])
    counts = {1, *(max(1, round(most * share)) for share in (0.25, 0.5, 0.75, 1.0))}
    best = fit_gaussian_mixture(others, 1)
    best_score = _log_density(held_out, best)
    for count in sorted(counts - {1}):
        for start in range(starts):
            fitted = fit_gaussian_mixture(others, count, seed=seed + start)
            score = _log_density(held_out, fitted)
            gain = score - best_score
            if gain.sum() > gain.std() * np.sqrt(len(gain)):
                best, best_score = fitted, score
    return fit_gaussian_mixture(rows, len(best.weights), initial=best)


def fit_gaussian_mixture(
    rows: np.ndarray,
    num_components: int,
    *,
    ridge: float = 1e-3,
    max_iterations: int = 60,
    tolerance: float = 1e-3,
    initial: FittedMixture | None = None,
    seed: int = 0,
) -> FittedMixture:
    """Returns the mixture after EM from the best of three k-means clusterings.

    Args:
        rows: [N, D].
        num_components: K.
        ridge: added to the covariances' diagonals, relative to the mean variance of
            the features.
        max_iterations: EM steps at the most.
        tolerance: stops when the mean log-likelihood gains less, in nats.
        initial: mixture to start from instead of a clustering.
        seed: of the start.

    Reference: Dempster, Laird and Rubin (1977); Arthur and Vassilvitskii (2007),
    "k-means++", for the start.
    """
    floor = ridge * max(rows.var(axis=0).mean(), np.finfo("float64").tiny)
    if initial is None:
        labels = _cluster(rows, num_components, np.random.default_rng(seed))
        responsibility = np.eye(num_components)[labels]
    else:
        joint = _joint_log_density(rows, initial)
        responsibility = np.exp(joint - _logsumexp(joint))
    previous = -np.inf
    for _ in range(max_iterations):
        mixture = _maximize(rows, responsibility, floor)
        joint = _joint_log_density(rows, mixture)
        total = _logsumexp(joint)
        responsibility = np.exp(joint - total)
        if total.mean() - previous < tolerance:
            break
        previous = total.mean()
    return mixture


def _cluster(
    rows: np.ndarray, count: int, rng: np.random.Generator, starts: int = 3
) -> np.ndarray:
    """Labels [N] of the k-means clustering with the least distance to centers."""
    best, best_distance = np.zeros(len(rows), int), np.inf
    for _ in range(starts):
        centers = _spread_centers(rows, count, rng)
        for _ in range(_LLOYD_STEPS):
            labels = _nearest(rows, centers)
            members = np.eye(count)[labels]
            sizes = members.sum(axis=0)
            # A cluster that lost all its rows keeps its center.
            means = members.T @ rows / np.maximum(sizes, 1)[:, None]
            centers = np.where(sizes[:, None] > 0, means, centers)
        distance = ((rows - centers[labels]) ** 2).sum()
        if distance < best_distance:
            best, best_distance = labels, distance
    return best


def _spread_centers(
    rows: np.ndarray, count: int, rng: np.random.Generator
) -> np.ndarray:
    """Rows drawn one after the other, far from those drawn before (k-means++)."""
    chosen = [rows[rng.integers(len(rows))]]
    distance = np.full(len(rows), np.inf)
    for _ in range(count - 1):
        distance = np.minimum(distance, ((rows - chosen[-1]) ** 2).sum(axis=1))
        total = distance.sum()
        share = distance / total if total > 0 else None
        chosen.append(rows[rng.choice(len(rows), p=share)])
    return np.array(chosen)


def _nearest(rows: np.ndarray, centers: np.ndarray) -> np.ndarray:
    distance = (centers**2).sum(axis=1) - 2 * rows @ centers.T
    return distance.argmin(axis=1)


def _maximize(
    rows: np.ndarray, responsibility: np.ndarray, floor: float
) -> FittedMixture:
    size = rows.shape[1]
    count = responsibility.sum(axis=0) + 10 * np.finfo("float64").eps
    means = responsibility.T @ rows / count[:, None]
    factors = np.empty([len(count), size, size])
    for k, mean in enumerate(means):
        centered = rows - mean
        covariance = (responsibility[:, k, None] * centered).T @ centered / count[k]
        lower = np.linalg.cholesky(covariance + floor * np.eye(size))
        # Σ = L Lᵀ has the precision L⁻ᵀ L⁻¹, whose other factor is upper triangular.
        factors[k] = _upper_factor(np.linalg.inv(lower))
    return FittedMixture(count / count.sum(), means, factors)


def _upper_factor(inverse_lower: np.ndarray) -> np.ndarray:
    """U upper triangular, positive diagonal, with UᵀU = L⁻ᵀ L⁻¹ (a QR step)."""
    _, upper = np.linalg.qr(inverse_lower)
    return upper * np.sign(np.diagonal(upper))[:, None]


def _logsumexp(joint: np.ndarray) -> np.ndarray:
    """Over the components, [N, 1]."""
    top = joint.max(axis=1, keepdims=True)
    return top + np.log(np.exp(joint - top).sum(axis=1, keepdims=True))


def _log_density(rows: np.ndarray, mixture: FittedMixture) -> np.ndarray:
    return _logsumexp(_joint_log_density(rows, mixture))[:, 0]


def _joint_log_density(rows: np.ndarray, mixture: FittedMixture) -> np.ndarray:
    """Returns log wₖ + log N(row; k), [N, K]."""
    columns = []
    for weight, mean, factor in zip(*mixture, strict=True):
        white = (rows - mean) @ factor.T
        log_scale = np.log(np.diagonal(factor)).sum()
        columns.append(np.log(weight) + log_scale - 0.5 * (white**2).sum(axis=1))
    return np.stack(columns, axis=1) - 0.5 * rows.shape[1] * np.log(2 * np.pi)
