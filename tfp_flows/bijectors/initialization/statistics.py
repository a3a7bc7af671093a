"""Moments of the data that a data-dependent start is set from, in float64."""

from typing import Any

import numpy as np

__all__ = ["checked_rows", "mean_and_standard_deviation"]


def checked_rows(x: Any, event_size: int, caller: str) -> np.ndarray:
    """Returns x as float64 rows [N, D] after checking them.

    Args:
        x: [N..., D]; leading axes are merged.
        event_size: the D expected.
        caller: who asks, as messages begin: "act_norm.initialize".

    Raises:
        ValueError: another width, fewer than two rows or a non-finite entry.
    """
    x = np.asarray(x, "float64")
    if x.ndim < 2 or x.shape[-1] != event_size:
        raise ValueError(
            f"{caller} expects rows of {event_size} features, shape "
            f"[N, {event_size}]; received shape {x.shape}."
        )
    rows = x.reshape(-1, event_size)
    if len(rows) < 2:
        raise ValueError(
            f"{caller} needs at least two rows, received "
            f"{len(rows)}. Pass a batch of the training data, [N, {event_size}]."
        )
    if not np.all(np.isfinite(rows)):
        row, feature = np.argwhere(~np.isfinite(rows))[0]
        raise ValueError(
            f"{caller} received a non-finite value, first in row {row}, "
            f"feature {feature}. Remove or fill such rows before."
        )
    return rows


def mean_and_standard_deviation(
    x: Any, event_size: int, caller: str
) -> tuple[np.ndarray, np.ndarray]:
    """Returns mean and standard deviation per feature, each [D] in float64.

    Raises:
        ValueError: as `checked_rows`, or a constant feature.
    """
    rows = checked_rows(x, event_size, caller)
    mean, deviation = rows.mean(axis=0), rows.std(axis=0)
    # Relative to the size of the values: a large constant has rounding noise.
    constant = deviation <= 1e-12 * np.maximum(1e-300, np.abs(mean))
    if np.any(constant):
        raise ValueError(
            f"{caller} received a constant feature, index "
            f"{int(np.argmax(constant))}: its density is a spike. Leave it out, or "
            "dequantize integer data."
        )
    return mean, deviation
