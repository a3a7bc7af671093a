"""Simple densities a flow has to beat: a Gaussian and a mixture of Gaussians.

log p(x) = log Σₖ wₖ N(z; μₖ, Σₖ) − Σⱼ log sⱼ with z = (x − m) / s; K = 1 is
the Gaussian. The columns are standardized for the fit and the log-determinant of
that is put back, so log-densities are in nats per row in the data's own units.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from tfp_flows.estimation.gaussian_mixture import (
    FittedMixture,
    fit_gaussian_mixture,
    one_thread,
)

__all__ = ["Yardstick", "fit_gaussian", "fit_mixture", "mean_and_standard_error"]

# Added to the diagonal of a standardized covariance; validation chooses. With the
# smallest, an exactly duplicated column gains 7 nats a row that mean nothing.
RIDGES = (1e-6, 1e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
MAX_ROWS, STARTS = 50_000, 2
# One unit of work is a row, column and component in one iteration: 1e-8 to 3e-8 s
# on one core for up to 100 columns. Wider rows cost more, see `_plan`.
WORK_LIMIT = 8e8
SEARCH_ITERATIONS, FINAL_ITERATIONS = (4, 15), (5, 40)
CHUNK_VALUES = 4_000_000
# Most numbers of all covariances of a mixture: judging one costs as many products a
# row, nine times over.
MOST_NUMBERS = 2_000_000


@dataclasses.dataclass(frozen=True)
class Yardstick:
    """A mixture of K Gaussians, over rows [x, context] where there is context.

    log p(x | context) = log p(x, context) − log p(context): both are mixtures in
    closed form, and without context the second is zero. Cost: O(K·D²) a row.

    Attributes:
        weights: [K], positive, with sum one.
        means: [K, D], of the standardized rows.
        covariances: [K, D, D], of the standardized rows.
        shift: [D], subtracted before dividing by `scale`.
        scale: [D], positive.
        context_size: how many of the last columns are conditioned on.
    """

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray
    shift: np.ndarray
    scale: np.ndarray
    context_size: int = 0

    @property
    def components(self) -> int:
        """The number of Gaussians K."""
        return len(self.weights)

    def log_prob(self, x: np.ndarray) -> np.ndarray:
        """Returns the log-density of each row in nats.

        Args:
            x: [N, D], the context in the last `context_size` columns.

        Returns:
            [N], float64.
        """
        x = _checked_rows(x, "x", len(self.shift))
        chunk = max(1, CHUNK_VALUES // x.shape[1])
        parts = [
            self._log_prob((x[start : start + chunk] - self.shift) / self.scale)
            for start in range(0, len(x), chunk)
        ]
        return np.concatenate(parts) if parts else np.zeros(0)

    def _log_prob(self, z: np.ndarray) -> np.ndarray:
        tail = slice(len(self.shift) - self.context_size, None)
        joint = FittedMixture(self.weights, self.means, self.covariances)
        context = FittedMixture(
            self.weights, self.means[:, tail], self.covariances[:, tail, tail]
        )
        conditional = joint.log_prob(z) - context.log_prob(z[:, tail])
        return conditional - np.log(self.scale[: tail.start]).sum()


def fit_gaussian(
    train: np.ndarray,
    validation: np.ndarray | None = None,
    *,
    context_size: int = 0,
    same_units: bool = False,
) -> Yardstick:
    """Fits a Gaussian with a full covariance by maximum likelihood.

    Args:
        train: [N, D].
        validation: [V, D], rows that choose the ridge, from 1e-6 to 1e-1, on the
            diagonal of the standardized covariance. Without them it is 1e-6.
        context_size: how many of the last columns are conditioned on.
        same_units: gives all columns one common scale, so that the ridge is one
            width for all. Right for pixels: one that hardly ever changes would
            otherwise cost a held-out row thousands of nats.

    Returns:
        The fitted density.

    Raises:
        ValueError: rows of a wrong shape, not finite, or with a constant column.

    Example:
        >>> rows = np.random.default_rng(0).normal(size=(1000, 2))
        >>> print(fit_gaussian(rows).log_prob(rows).mean().round(1))
        -2.8
    """
    train, shift, scale = _standardized(train, context_size, same_units)
    mean = train.mean(axis=0, keepdims=True)
    covariance = np.atleast_2d(np.cov(train, rowvar=False, bias=True))[None]
    fitted = Yardstick(np.ones(1), mean, covariance, shift, scale, context_size)
    if validation is None:
        return _widened(fitted, RIDGES[0])
    return _best_ridge(fitted, _checked_rows(validation, "validation", len(shift)))[1]


def fit_mixture(
    train: np.ndarray,
    validation: np.ndarray,
    *,
    components: Sequence[int] = (1, 5, 10, 20),
    seed: int = 0,
    context_size: int = 0,
    same_units: bool = False,
) -> Yardstick:
    """Fits Gaussian mixtures of several sizes and keeps the best on validation.

    Every size gets up to 15 iterations of expectation-maximization from each of two
    k-means starts, and the best of them up to 40 more; at most 50,000 rows, drawn by
    `seed`, are used. Large problems get fewer iterations and then fewer rows, so that
    the fit stays near 15 s on one core, the only one it uses where threadpoolctl is
    installed, as with scikit-learn. Sizes with fewer rows a component than half the
    number of columns, or with more than two million numbers in their covariances, are
    left out; one component is always tried.

    Args:
        train: [N, D].
        validation: [V, D], rows that choose the size, and the ridge on each
            component's covariance as in `fit_gaussian`.
        components: the sizes to try.
        seed: of the k-means starts and the choice of rows.
        context_size: how many of the last columns are conditioned on.
        same_units: as in `fit_gaussian`.

    Returns:
        The density with the best mean log-density on `validation`.

    Raises:
        ValueError: rows of a wrong shape, not finite, or with a constant column.
    """
    z, shift, scale = _standardized(train, context_size, same_units)
    validation = _checked_rows(validation, "validation", len(shift))
    most = min(2 * len(z) / len(shift), MOST_NUMBERS / len(shift) ** 2)
    sizes = [k for k in sorted(set(components)) if 1 < k <= most]
    z, search, final = _plan(z, sizes, np.random.default_rng(seed))

    def judged(mixture: FittedMixture) -> tuple[float, Yardstick]:
        bare = mixture.covariances - RIDGES[0] * np.eye(len(shift))
        parts = mixture._replace(covariances=bare)
        return _best_ridge(Yardstick(*parts, shift, scale, context_size), validation)

    def fitted(size: int, steps: int, **start: Any) -> FittedMixture:
        return fit_gaussian_mixture(
            z, size, ridge=RIDGES[0], max_iterations=steps, **start
        )

    with one_thread():
        starts = [(size, seed + start) for size in sizes for start in range(STARTS)]
        mixtures = [fitted(size, search, seed=start) for size, start in starts]
        tried = [judged(mixture) for mixture in mixtures]
        if tried:
            best = mixtures[int(np.argmax([score for score, _ in tried]))]
            tried.append(judged(fitted(len(best.weights), final, initial=best)))
        gaussian = fit_gaussian(
            train, validation, context_size=context_size, same_units=same_units
        )
        tried.append((gaussian.log_prob(validation).mean(), gaussian))
    return max(tried, key=lambda pair: pair[0])[1]


def mean_and_standard_error(
    values: np.ndarray, weights: np.ndarray | None = None
) -> tuple[float, float]:
    """Returns the mean of N values and its standard error sd / √N.

    With weights these are Σ wᵢ vᵢ / Σ wᵢ and √(N / (N − 1) Σ wᵢ² (vᵢ − mean)²) / Σ wᵢ.

    The error is NaN when a value is not finite, which a mean cannot express.

    Args:
        values: [N] with N at least 2, for instance log-densities.
        weights: [N], at least 0; None for all alike.

    Returns:
        Mean and standard error, in the unit of the values.

    Raises:
        ValueError: fewer than two values, or more than one axis.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1 or len(values) < 2:
        raise ValueError(
            f"Expected a vector of at least 2 values, received shape {values.shape}. "
            "One value has no standard error: hold out more rows."
        )
    share = np.full(len(values), 1 / len(values))
    if weights is not None:
        share = np.asarray(weights, "float64") / np.sum(weights)
    counted = values[share > 0]
    if not np.isfinite(counted).all():
        return float(np.sum(counted)) / len(counted), float("nan")
    mean = float(share[share > 0] @ counted)
    spread = np.sum((share[share > 0] * (counted - mean)) ** 2)
    return mean, float(np.sqrt(spread * len(values) / (len(values) - 1)))


def _checked_rows(rows: np.ndarray, name: str, width: int | None = None) -> np.ndarray:
    rows = np.asarray(rows, dtype=np.float64)
    if rows.ndim != 2 or (width is not None and rows.shape[1] != width):
        columns = "columns" if width is None else width
        raise ValueError(
            f"Expected {name} of shape [rows, {columns}], received {rows.shape}. "
            "Flatten images to one row each; join context as the last columns."
        )
    if not np.isfinite(rows).all():
        raise ValueError(
            f"Expected finite values in {name}, received NaN or infinity. "
            "Drop those rows first."
        )
    return rows


def _standardized(
    train: np.ndarray, context_size: int, same_units: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    train = _checked_rows(train, "train")
    width = train.shape[1] - context_size
    if len(train) < 2 or width < 1 or context_size < 0:
        raise ValueError(
            "Expected at least 2 rows and a column that is not context, received "
            f"shape {train.shape} with context_size={context_size}."
        )
    scale = np.where(np.ptp(train, axis=0) > 0, train.std(axis=0), 0.0)
    scale[width:][scale[width:] == 0] = 1.0
    if same_units:
        scale[:width] = np.sqrt(np.mean(scale[:width] ** 2))
    if not scale.all():
        raise ValueError(
            f"Expected columns that vary, received {np.flatnonzero(scale == 0)} "
            "constant: their density is infinite. Drop them."
        )
    shift = train.mean(axis=0)
    return (train - shift) / scale, shift, scale


def _plan(
    z: np.ndarray, sizes: Sequence[int], rng: np.random.Generator
) -> tuple[np.ndarray, int, int]:
    """Chooses rows and iterations so that the work stays within the limit."""
    if not sizes:
        return z, 1, 1
    # Above some 200 columns the covariance products dominate, hence the square.
    columns = z.shape[1] * (1 + z.shape[1] / 200)
    searched = STARTS * sum(sizes)
    allowed = WORK_LIMIT / (columns * searched * SEARCH_ITERATIONS[0])
    rows = int(min(len(z), MAX_ROWS, max(allowed, sizes[-1] * z.shape[1] / 2)))
    if rows < len(z):
        z = z[rng.permutation(len(z))[:rows]]
    search = WORK_LIMIT / (rows * columns * searched)
    final = WORK_LIMIT / (rows * columns * sizes[-1])
    return (
        z,
        int(np.clip(search, *SEARCH_ITERATIONS)),
        int(np.clip(final, *FINAL_ITERATIONS)),
    )


def _best_ridge(fitted: Yardstick, validation: np.ndarray) -> tuple[float, Yardstick]:
    """Widens the covariances by the ridge that validation likes best."""
    candidates = (_widened(fitted, ridge) for ridge in RIDGES)
    scored = ((c.log_prob(validation).mean(), c) for c in candidates)
    return max(scored, key=lambda pair: pair[0])


def _widened(fitted: Yardstick, ridge: float) -> Yardstick:
    identity = np.eye(len(fitted.shift))
    return dataclasses.replace(
        fitted, covariances=fitted.covariances + ridge * identity
    )
