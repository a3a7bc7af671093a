"""Maximum likelihood of a Gaussian mixture by EM, in NumPy and float64."""

import contextlib
from typing import NamedTuple

import numpy as np

__all__ = [
    "FittedMixture",
    "fit_gaussian_mixture",
    "one_thread",
    "select_gaussian_mixture",
]

_LLOYD_STEPS, _CLUSTERINGS = 15, 3


class FittedMixture(NamedTuple):
    """A Gaussian mixture.

    Attributes:
        weights: [K], positive, with sum one.
        means: [K, D].
        covariances: [K, D, D].
    """

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray

    @property
    def precision_factors(self) -> np.ndarray:
        """U, [K, D, D], upper triangular, positive diagonal, with UᵀU = Σ⁻¹."""
        # Σ = L Lᵀ has the precision L⁻ᵀ L⁻¹, whose other factor a QR step finds.
        _, upper = np.linalg.qr(np.linalg.inv(np.linalg.cholesky(self.covariances)))
        return upper * np.sign(np.diagonal(upper, axis1=1, axis2=2))[..., np.newaxis]

    def log_prob(self, rows: np.ndarray) -> np.ndarray:
        """Returns log Σₖ wₖ N(x; μₖ, Σₖ) of rows [N, D]: [N]. Rows [N, 0] have 0."""
        return np.logaddexp.reduce(self.joint_log_prob(rows))

    def joint_log_prob(self, rows: np.ndarray) -> np.ndarray:
        """Returns log wₖ + log N(x; μₖ, Σₖ), [K, N]."""
        factors = np.linalg.cholesky(self.covariances)
        joint = np.empty([len(factors), len(rows)])
        for k, factor in enumerate(factors):
            noise = (rows - self.means[k]) @ np.linalg.inv(factor).T
            joint[k] = -0.5 * np.einsum("nd,nd->n", noise, noise)
            joint[k] += np.log(self.weights[k]) - np.log(np.diag(factor)).sum()
        return joint - 0.5 * rows.shape[1] * np.log(2 * np.pi)


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
    best_score = best.log_prob(held_out)
    for count in sorted(counts - {1}):
        for start in range(starts):
            fitted = fit_gaussian_mixture(others, count, seed=seed + start)
            score = fitted.log_prob(held_out)
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
    previous = -np.inf
    with one_thread():
        if initial is None:
            labels = _cluster(rows, num_components, np.random.default_rng(seed))
            responsibility = np.eye(num_components)[:, labels]
        else:
            responsibility, _ = _expect(rows, initial)
        for _ in range(max_iterations):
            mixture = _maximize(rows, responsibility, floor)
            responsibility, mean = _expect(rows, mixture)
            if mean - previous < tolerance:
                break
            previous = mean
    return mixture


def one_thread() -> contextlib.AbstractContextManager:
    """Holds products to one thread where threadpoolctl is there, as with scikit-learn.

    They are small: beside other work two threads wait for each other, and were 3 to 50
    times slower than one.
    """
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        return contextlib.nullcontext()
    return threadpool_limits(1)


def _expect(rows: np.ndarray, mixture: FittedMixture) -> tuple[np.ndarray, float]:
    """Responsibilities [K, N], and the mean log-likelihood."""
    joint = mixture.joint_log_prob(rows)
    total = np.logaddexp.reduce(joint)
    return np.exp(joint - total), total.mean()


def _maximize(
    rows: np.ndarray, responsibility: np.ndarray, floor: float
) -> FittedMixture:
    size = rows.shape[1]
    count = responsibility.sum(axis=1) + 10 * np.finfo("float64").eps
    means = responsibility @ rows / count[:, np.newaxis]
    covariances = np.empty([len(count), size, size])
    for k, mean in enumerate(means):
        centered = rows - mean
        covariances[k] = (responsibility[k] * centered.T) @ centered / count[k]
    return FittedMixture(count / count.sum(), means, covariances + floor * np.eye(size))


def _cluster(rows: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Labels [N] of the k-means clustering with the least distance to centers."""
    best, best_distance = np.zeros(len(rows), int), np.inf
    for _ in range(_CLUSTERINGS):
        centers = _spread_centers(rows, count, rng)
        for _ in range(_LLOYD_STEPS):
            labels = ((centers**2).sum(axis=1) - 2 * rows @ centers.T).argmin(axis=1)
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
