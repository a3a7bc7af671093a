"""The matrix that whitens data, of all of them the one closest to a present one."""

from typing import Any

import numpy as np

from tfp_flows.bijectors.initialization.statistics import checked_rows

__all__ = ["affine_whitening", "closest_whitening"]


def closest_whitening(x: Any, present: np.ndarray, caller: str) -> np.ndarray:
    """Returns the W with W S Wᵀ = I that is closest to a present matrix.

    W = Q S^(−1/2), where Q is the orthogonal factor of present · S^(1/2).

    Args:
        x: [N..., D]; leading axes, such as the positions of an image, are merged.
        present: [D, D].
        caller: who asks, as messages begin: "linear.whiten".

    Raises:
        ValueError: x has another width, too few rows, a non-finite entry, or a
            direction in which it does not vary.
    """
    rows = checked_rows(x, len(present), caller)
    values, directions = np.linalg.eigh(rows.T @ rows / len(rows))
    if values[0] <= len(values) * np.finfo("float64").eps * values[-1]:
        raise ValueError(
            f"{caller} received data that do not vary in some direction: the best "
            "matrix is infinite. Give more rows than features, drop copies and "
            "constants, or dequantize integers."
        )
    root = np.sqrt(values)
    left, _, right = np.linalg.svd(present @ (directions * root) @ directions.T)
    return left @ right @ (directions / root) @ directions.T


def affine_whitening(
    x: Any, present: np.ndarray, caller: str
) -> tuple[np.ndarray, np.ndarray]:
    """Returns W and b = −W μ with W C Wᵀ = I for the covariance C about the mean μ.

    Args:
        x: [N..., D]; leading axes are merged.
        present: [D, D]; W is the one closest to it.
        caller: who asks, as messages begin: "linear.whiten".

    Raises:
        ValueError: as `closest_whitening`.
    """
    rows = checked_rows(x, len(present), caller)
    mean = rows.mean(axis=0)
    matrix = closest_whitening(rows - mean, present, caller)
    return matrix, -matrix @ mean
