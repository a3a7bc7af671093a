"""Closed-form maximisers of log|det W| − ½ tr(W S Wᴴ) over families of W.

S [..., d, d] holds second moments, λ their eigenvalues; leading axes have a W each.
Without a constraint every stationary point has W S Wᴴ = I, W = Q S^(−1/2) with
Q unitary: the value is unique, the map is not. By von Neumann's trace inequality a
constraint on singular values σ is met in the eigenbasis of S, one σᵢ a λᵢ.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

__all__ = [
    "ClosedForm",
    "Constraint",
    "circular",
    "full",
    "objective",
    "orthogonal",
    "ppca",
    "remedies",
    "scalar",
    "unit_det",
]

# A dependency weighs at least this share of its heaviest feature to be named.
_NAMED_SHARE = 0.1


class Constraint(NamedTuple):
    """An interval of the singular values of W, and principal components to keep."""

    low: float = 0.0
    high: float = math.inf
    rank: int = 0

    @property
    def is_bounded(self) -> bool:
        """Whether an end of the interval was set."""
        return (self.low, self.high) != (0.0, math.inf)


# W and the number of its free parameters, rotations that leave the value alone left
# out, from S and what is asked of W.
ClosedForm = Callable[[np.ndarray, Constraint], tuple[np.ndarray, int]]


def objective(scale: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Returns log|det W| − ½ tr(W S Wᴴ) − (d/2) log 2π, [...].

    That is the mean of log N(W v; 0, I) + log|det W| over vectors v.
    """
    spent = np.sum((scale @ second) * scale.conj(), axis=(-1, -2)).real
    constant = second.shape[-1] * math.log(2 * math.pi)
    return np.linalg.slogdet(scale)[1] - 0.5 * (spent + constant)


def full(second: np.ndarray, constraint: Constraint) -> tuple[np.ndarray, int]:
    """W = R^(−1/2) diag(1/s), s² the diagonal of S, R = S scaled to a unit diagonal.

    That is Q S^(−1/2) for one Q, and stays exact where the units of features differ by
    many powers of ten, which the eigenvalues of S itself would not.

    Args:
        second: S, [..., d, d].
        constraint: with bounds σᵢ = clip(λᵢ^(−1/2), low, high) instead.

    Raises:
        ValueError: S is singular: the optimum is infinite.
    """
    variances = np.diagonal(second, axis1=-2, axis2=-1)
    if math.isinf(constraint.high):
        _check_variances(variances)
    if constraint.is_bounded:
        return _clipped(second, constraint)
    deviation = np.sqrt(variances)
    scaled = second / (deviation[..., :, np.newaxis] * deviation[..., np.newaxis, :])
    values, vectors = np.linalg.eigh(scaled)
    dependent = values[..., 0] <= _smallest(values)
    if np.any(dependent):
        weights = np.abs(vectors[dependent][0, :, 0])
        heavy = np.flatnonzero(weights > _NAMED_SHARE * weights.max())
        raise ValueError(
            f"Features {_listing(heavy)} are linearly dependent, for instance copies: "
            f"{remedies()}"
        )
    root = (vectors / np.sqrt(values)[..., np.newaxis, :]) @ _adjoint(vectors)
    return root / deviation[..., np.newaxis, :], _num_symmetric(second)


def scalar(second: np.ndarray, constraint: Constraint) -> tuple[np.ndarray, int]:
    """W = clip((tr S / d)^(−1/2), low, high), [1, 1], for the d matrices [d, 1, 1]."""
    return full(second.mean(axis=0), constraint)


def circular(second: np.ndarray, constraint: Constraint) -> tuple[np.ndarray, int]:
    """σᵢ = clip(λᵢ^(−1/2), low, high) of each frequency; S(−ω) is S(ω) conjugated."""
    *shape, channels, _ = second.shape
    # A frequency is its own mirror image if each component is 0 or half the length.
    own = math.prod(2 if size % 2 == 0 else 1 for size in shape)
    pairs = (math.prod(shape) - own) // 2
    free = own * channels * (channels + 1) // 2 + pairs * channels**2
    return _clipped(second, constraint)[0], free


def unit_det(second: np.ndarray, constraint: Constraint) -> tuple[np.ndarray, int]:
    """σᵢ = (Π λ)^(1/2d) λᵢ^(−1/2)."""
    values, vectors = np.linalg.eigh(second)
    root = _inverse_root(values)
    root /= np.exp(np.log(root).mean())
    return (vectors * root) @ vectors.T, _num_symmetric(second) - 1


def ppca(second: np.ndarray, constraint: Constraint) -> tuple[np.ndarray, int]:
    """σᵢ = λᵢ^(−1/2) for the `rank` largest λ, else the mean of the others^(−1/2)."""
    size, rank = len(second), constraint.rank
    values, vectors = np.linalg.eigh(second)
    others = np.arange(size) < size - rank
    root = _inverse_root(np.where(others, values[others].mean(), values))
    return (vectors * root) @ vectors.T, size * rank - rank * (rank - 1) // 2 + 1


def orthogonal(second: np.ndarray, constraint: Constraint) -> tuple[np.ndarray, int]:
    """W = 1, [1, 1]: every rotation attains the same."""
    return np.ones([1, 1]), 0


def remedies() -> str:
    """Returns what to do where the optimum is infinite."""
    return (
        "the best linear flow has an infinite likelihood. Dequantize or drop such "
        "features, pass ridge > 0, or choose a structured family (diagonal, scalar, "
        "ppca, conv1x1, circular_conv) or max_scale."
    )


def _clipped(second: np.ndarray, constraint: Constraint) -> tuple[np.ndarray, int]:
    values, vectors = np.linalg.eigh(second)
    if math.isinf(constraint.high):
        root = _inverse_root(values)
    else:
        # A direction without spread has λ = 0, or a little less by round-off: the
        # upper bound is its optimum.
        root = np.maximum(values, constraint.high**-2.0) ** -0.5
    root = np.maximum(root, constraint.low)[..., np.newaxis, :]
    return (vectors * root) @ _adjoint(vectors), _num_symmetric(second)


def _inverse_root(values: np.ndarray) -> np.ndarray:
    singular = values[..., 0] <= _smallest(values)
    if np.any(singular):
        smallest, largest = values[singular][0, [0, -1]]
        raise ValueError(
            f"The smallest eigenvalue, {smallest:.3g}, is zero beside the largest, "
            f"{largest:.3g} (a feature or channel is constant or a copy, or there are "
            f"too few rows): {remedies()}"
        )
    return values**-0.5


def _smallest(values: np.ndarray) -> np.ndarray:
    """Eigenvalues up to this are zero but for round-off, [...]."""
    return values.shape[-1] * np.finfo("float64").eps * values[..., -1]


def _num_symmetric(second: np.ndarray) -> int:
    """Returns the numbers that real symmetric matrices [..., d, d] have free."""
    *copies, size, _ = second.shape
    return math.prod(copies) * size * (size + 1) // 2


def _adjoint(matrix: np.ndarray) -> np.ndarray:
    return np.swapaxes(matrix.conj(), -1, -2)


def _check_variances(variances: np.ndarray) -> None:
    # Single features are matrices of their own.
    axis = 0 if variances.shape[-1] == 1 else -1
    constant = np.unique(np.nonzero(~(variances > 0))[axis])
    if len(constant):
        raise ValueError(f"Features {_listing(constant)} are constant: {remedies()}")


def _listing(indices: np.ndarray) -> str:
    more = ", …" if len(indices) > 6 else ""
    return ", ".join(str(index) for index in indices[:6]) + more
