"""Closed-form maximisers of ``log|det W| − ½ tr(W S Wᵀ)`` over families of W.

S is the auto-correlation or covariance of the data, λ its eigenvalues, d its size.
Without a constraint every stationary point has ``W S Wᵀ = I``, ``W = Q S^(−1/2)`` with
Q orthogonal: the value is unique, the map is not. By von Neumann's trace inequality a
constraint on singular values σ is met in the eigenbasis of S, one σᵢ a λᵢ.
"""

import math
from typing import NamedTuple

import numpy as np

__all__ = [
    "SpectralFit",
    "check_rows",
    "fit_diagonal",
    "fit_scalar",
    "fit_spectral",
    "fit_whitening",
    "remedies",
]

# A dependency weighs at least this share of its heaviest feature to be named.
_NAMED_SHARE = 0.1


class SpectralFit(NamedTuple):
    """A maximiser W and what it was made from.

    Attributes:
        scale: W, [d, d], or its diagonal [d], or one number.
        eigenvalues: of S, largest first, [d]; the diagonal of S where W is diagonal.
        num_parameters: free parameters, rotations that leave the value alone left out.
    """

    scale: np.ndarray
    eigenvalues: np.ndarray
    num_parameters: int


def fit_whitening(second: np.ndarray) -> SpectralFit:
    """W = R^(−1/2) diag(1/s), s² the diagonal of S, R = S scaled to a unit diagonal.

    That is Q S^(−1/2) for one Q, and stays exact where the units of features differ by
    many powers of ten, which the eigenvalues of S itself would not.

    Args:
        second: S, [d, d].

    Raises:
        ValueError: S is singular: the optimum is infinite.
    """
    size = len(second)
    deviation = np.sqrt(_checked_diagonal(np.diag(second)))
    scaled = second / np.outer(deviation, deviation)
    values, vectors = np.linalg.eigh(scaled)
    if values[0] <= size * np.finfo("float64").eps * values[-1]:
        heavy = np.abs(vectors[:, 0]) > _NAMED_SHARE * np.abs(vectors[:, 0]).max()
        raise ValueError(
            f"Features {_listing(np.flatnonzero(heavy))} are linearly dependent, for "
            f"instance copies: {remedies()}"
        )
    root = (vectors / np.sqrt(values)) @ vectors.T
    eigenvalues = np.linalg.eigvalsh(second)[::-1]
    return SpectralFit(root / deviation, eigenvalues, size * (size + 1) // 2)


def fit_spectral(
    second: np.ndarray,
    family: str,
    *,
    rank: int | None = None,
    bounds: tuple[float, float] = (0.0, math.inf),
) -> SpectralFit:
    """W = U diag(σ) Uᵀ with U the eigenvectors of S and σ as the family has it.

        unit_det     σᵢ = (Π λ)^(1/2d) λᵢ^(−1/2)
        ppca         σᵢ = λᵢ^(−1/2) for i ≤ rank, else the mean of the others^(−1/2)
        bounded      σᵢ = clip(λᵢ^(−1/2), bounds)
        orthogonal   σᵢ = 1

    Raises:
        ValueError: the family's optimum is infinite for this S.
    """
    size = len(second)
    values, vectors = np.linalg.eigh(second)
    values, vectors = values[::-1], vectors[:, ::-1]
    free = size * (size + 1) // 2
    if family == "orthogonal":
        scale, free = np.ones(size), 0
    elif family == "ppca":
        rank = rank or 0
        kept = np.where(np.arange(size) < rank, values, values[rank:].mean())
        scale = _inverse_root(kept)
        free = size * rank - rank * (rank - 1) // 2 + 1
    elif family == "unit_det":
        root = _inverse_root(values)
        scale, free = root / np.exp(np.log(root).mean()), free - 1
    else:
        # A direction without spread has λ = 0, or a little less by round-off: the
        # upper bound is its optimum.
        floored = np.maximum(values, bounds[1] ** -2.0)
        root = _inverse_root(values) if math.isinf(bounds[1]) else floored**-0.5
        scale = np.clip(root, *bounds)
    return SpectralFit((vectors * scale) @ vectors.T, values, free)


def fit_diagonal(variances: np.ndarray, bounds: tuple[float, float]) -> SpectralFit:
    """Wᵢᵢ = clip(Sᵢᵢ^(−1/2), bounds), [d]."""
    if math.isinf(bounds[1]):
        _checked_diagonal(variances)
    with np.errstate(divide="ignore"):
        scale = np.clip(variances**-0.5, *bounds)
    return SpectralFit(scale, variances, len(variances))


def fit_scalar(variances: np.ndarray, bounds: tuple[float, float]) -> SpectralFit:
    """W = clip((tr S / d)^(−1/2), bounds), one number."""
    fitted = fit_diagonal(np.asarray([variances.mean()]), bounds)
    return SpectralFit(fitted.scale[0], variances, 1)


def remedies() -> str:
    """What to do where the optimum is infinite."""
    return (
        "the best linear flow has an infinite likelihood. Dequantize or drop such "
        "features, pass ridge > 0, or choose a structured family (diagonal, scalar, "
        "ppca, conv1x1, circular_conv) or max_scale."
    )


def check_rows(num_rows: int, size: int, centered: bool) -> None:
    """Refuses fewer rows than a nonsingular S of `size` features takes.

    Raises:
        ValueError: fewer rows than features, or than one more about their mean.
    """
    needed = size + centered
    if num_rows < needed:
        about = " about their mean" if centered else ""
        raise ValueError(
            f"Expected at least {needed} rows, received {num_rows}: they do not span "
            f"{size} features{about}, and {remedies()}"
        )


def _inverse_root(values: np.ndarray) -> np.ndarray:
    smallest, largest = values.min(), values.max()
    if smallest <= len(values) * np.finfo("float64").eps * largest:
        raise ValueError(
            f"The smallest eigenvalue, {smallest:.3g}, is zero beside the largest, "
            f"{largest:.3g}: {remedies()}"
        )
    return values**-0.5


def _checked_diagonal(variances: np.ndarray) -> np.ndarray:
    constant = np.flatnonzero(~(variances > 0))
    if len(constant):
        raise ValueError(f"Features {_listing(constant)} are constant: {remedies()}")
    return variances


def _listing(indices: np.ndarray) -> str:
    more = ", …" if len(indices) > 6 else ""
    return ", ".join(str(index) for index in indices[:6]) + more
