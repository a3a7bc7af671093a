"""Simple densities a flow has to beat: a Gaussian and a mixture of Gaussians.

``log p(x) = log Σₖ wₖ N(z; μₖ, Σₖ) − Σⱼ log sⱼ`` with ``z = (x − m) / s``; K = 1 is
the Gaussian. The columns are standardized for the fit and the log-determinant of
that is put back, so log-densities are in nats per row in the data's own units. This
module needs numpy alone; `fit_mixture` also needs scikit-learn.
"""

import dataclasses
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

__all__ = ["Yardstick", "fit_gaussian", "fit_mixture", "mean_and_standard_error"]

# Added to the diagonal of a standardized covariance; validation chooses. With the
# smallest, an exactly duplicated column gains 7 nats a row that mean nothing.
RIDGES = (1e-6, 1e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
MAX_ROWS = 50_000
# One unit of work is a row, column and component in one iteration: 1e-8 to 3e-8 s
# on one core for up to 100 columns. Wider rows cost more, see `_plan`.
WORK_LIMIT = 8e8
SEARCH_ITERATIONS, FINAL_ITERATIONS = (4, 15), (5, 40)
CHUNK_VALUES = 4_000_000


@dataclasses.dataclass(frozen=True)
class Yardstick:
    """A mixture of K Gaussians, over rows ``[x, context]`` where there is context.

    ``log p(x | context) = log p(x, context) − log p(context)``: both are mixtures in
    closed form, and without context the second is zero. Cost: ``O(K·D²)`` a row.

    Attributes:
        weights: Positive, with sum one: ``[K]``.
        means: Of the standardized rows: ``[K, D]``.
        covariances: Of the standardized rows: ``[K, D, D]``.
        shift: Subtracted before dividing by `scale`: ``[D]``.
        scale: Positive: ``[D]``.
        context_size: How many of the last columns are conditioned on.
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
            x: Rows ``[N, D]`` with the context in the last `context_size` columns.

        Returns:
            ``[N]``, float64.
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
        joint = _mixture_log_prob(z, self.weights, self.means, self.covariances)
        context = _mixture_log_prob(
            z[:, tail],
            self.weights,
            self.means[:, tail],
            self.covariances[:, tail, tail],
        )
        return joint - context - np.log(self.scale[: tail.start]).sum()


def fit_gaussian(
    train: np.ndarray,
    validation: np.ndarray | None = None,
    *,
    context_size: int = 0,
    same_units: bool = False,
) -> Yardstick:
    """Fits a Gaussian with a full covariance by maximum likelihood.

    Args:
        train: Rows ``[N, D]``.
        validation: Rows ``[V, D]`` that choose the ridge, from 1e-6 to 1e-1, on the
            diagonal of the standardized covariance. Without them it is 1e-6.
        context_size: How many of the last columns are conditioned on.
        same_units: Gives all columns one common scale, so that the ridge is one
            width for all. Right for pixels: one that hardly ever changes would
            otherwise cost a held-out row thousands of nats.

    Returns:
        The fitted density.

    Raises:
        ValueError: Rows of a wrong shape, not finite, or with a constant column.

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

    Every size gets up to 15 iterations of expectation-maximization from a k-means
    start, and the best of them up to 40 more; at most 50,000 rows, drawn by `seed`,
    are used. Large problems get fewer iterations and then fewer rows, so that the
    fit stays near 15 s on one core, the only one it uses. Sizes with fewer rows a
    component than half the number of columns are left out; one component is always
    tried.

    Args:
        train: Rows ``[N, D]``.
        validation: Rows ``[V, D]`` that choose the size, and the ridge on each
            component's covariance as in `fit_gaussian`.
        components: The sizes to try.
        seed: Of the k-means starts and the choice of rows.
        context_size: How many of the last columns are conditioned on.
        same_units: As in `fit_gaussian`.

    Returns:
        The density with the best mean log-density on `validation`.

    Raises:
        ImportError: scikit-learn is not installed.
        ValueError: Rows of a wrong shape, not finite, or with a constant column.
    """
    mixture_class, thread_limit = _scikit_learn()
    z, shift, scale = _standardized(train, context_size, same_units)
    validation = _checked_rows(validation, "validation", len(shift))
    sizes = [k for k in sorted(set(components)) if 1 < k <= 2 * len(z) / len(shift)]
    z, search, final = _plan(z, sizes, np.random.default_rng(seed))
    options = {"reg_covar": RIDGES[0], "random_state": seed, "warm_start": True}

    def judged(mixture: Any) -> tuple[float, Yardstick]:
        # Small products: beside other work two threads wait for each other and
        # were 3 to 50 times slower than one.
        with thread_limit(1):
            weights, means, covariances = _em(mixture, z)
            fitted = Yardstick(weights, means, covariances, shift, scale, context_size)
            return _best_ridge(fitted, validation)

    mixtures = [mixture_class(size, max_iter=search, **options) for size in sizes]
    tried = [(*judged(mixture), mixture) for mixture in mixtures]
    gaussian = fit_gaussian(
        train, validation, context_size=context_size, same_units=same_units
    )
    candidates = [(gaussian.log_prob(validation).mean(), gaussian)]
    candidates += [result[:2] for result in tried]
    if tried:
        _, _, best = max(tried, key=lambda result: result[0])
        candidates.append(judged(best.set_params(max_iter=final)))
    return max(candidates, key=lambda result: result[0])[1]


def mean_and_standard_error(values: np.ndarray) -> tuple[float, float]:
    """Returns the mean of N values and its standard error ``sd / √N``.

    The error is ``nan`` when a value is not finite, which a mean cannot express.

    Args:
        values: For instance log-densities, ``[N]`` with N at least 2.

    Returns:
        Mean and standard error, in the unit of the values.

    Raises:
        ValueError: Fewer than two values, or more than one axis.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1 or len(values) < 2:
        raise ValueError(
            f"Expected a vector of at least 2 values, received shape {values.shape}. "
            "One value has no standard error: hold out more rows."
        )
    if not np.isfinite(values).all():
        return float(np.sum(values)) / len(values), float("nan")
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))


def _scikit_learn() -> tuple[Callable, Callable]:
    try:
        from sklearn.mixture import GaussianMixture
        from threadpoolctl import threadpool_limits
    except ImportError as error:
        raise ImportError(
            "The mixture yardstick needs scikit-learn, which is not installed. "
            'Run: pip install "tfp_flows[cli]"'
        ) from error
    return GaussianMixture, threadpool_limits


def _em(mixture: Any, z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Runs a scikit-learn mixture; returns weights, means and bare covariances."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        # Running out of iterations is part of the plan.
        warnings.simplefilter("ignore", ConvergenceWarning)
        mixture.fit(z)
    ridge = mixture.reg_covar * np.eye(z.shape[1])
    return mixture.weights_, mixture.means_, mixture.covariances_ - ridge


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
    allowed = WORK_LIMIT / (columns * sum(sizes) * SEARCH_ITERATIONS[0])
    rows = int(min(len(z), MAX_ROWS, max(allowed, sizes[-1] * z.shape[1] / 2)))
    if rows < len(z):
        z = z[rng.permutation(len(z))[:rows]]
    search = WORK_LIMIT / (rows * columns * sum(sizes))
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


def _mixture_log_prob(
    z: np.ndarray, weights: np.ndarray, means: np.ndarray, covariances: np.ndarray
) -> np.ndarray:
    """Returns ``log Σₖ wₖ N(z; μₖ, Σₖ)``, zero for rows of no columns."""
    if z.shape[1] == 0:
        return np.zeros(len(z))
    return np.logaddexp.reduce(
        list(_weighted_log_probs(z, weights, means, covariances))
    )


def _weighted_log_probs(
    z: np.ndarray, weights: np.ndarray, means: np.ndarray, covariances: np.ndarray
) -> Iterator[np.ndarray]:
    for weight, mean, covariance in zip(weights, means, covariances, strict=True):
        scale = np.linalg.cholesky(covariance)
        noise = (z - mean) @ np.linalg.inv(scale).T
        log_det = np.log(np.diag(scale)).sum()
        constant = np.log(weight) - log_det - 0.5 * z.shape[1] * np.log(2 * np.pi)
        yield constant - 0.5 * np.einsum("nd,nd->n", noise, noise)
