"""Rows through a compiled function, a bounded number at a time."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

__all__ = ["as_events", "in_parts"]


def as_events(
    values: np.ndarray,
    context: np.ndarray | None,
    event_shape: Sequence[int],
    dtype: Any,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Returns rows in an event's shape, and their context, in its dtype.

    Numbers beyond the dtype become infinities.

    Args:
        values: [N, D].
        context: [N, C], or None.
        event_shape: with D entries in all.
        dtype: of NumPy.

    Returns:
        [N, event...], and [N, C] or None.
    """
    with np.errstate(over="ignore"):
        x = values.astype(dtype).reshape([len(values), *event_shape])
        return x, None if context is None else context.astype(dtype)


def in_parts(
    log_prob: Callable[..., Any], event_shape: Sequence[int], dtype: Any, size: int
) -> Callable[[np.ndarray, np.ndarray | None], np.ndarray]:
    """Returns a function of values [N, D] and context [N, C] to nats [N].

    A row so far out that its log-density is no finite number has minus infinity.

    Args:
        log_prob: events, and context where there is one → a tensor.
        event_shape: of a row.
        dtype: of NumPy.
        size: rows at a time.
    """

    def log_density(values: np.ndarray, context: np.ndarray | None) -> np.ndarray:
        x, given = as_events(values, context, event_shape, dtype)
        arrays = [x] if given is None else [x, given]
        parts = [
            log_prob(*(a[start : start + size] for a in arrays)).numpy()
            for start in range(0, len(x), size)
        ]
        scores = np.concatenate([np.zeros(0), *parts])
        return np.where(np.isfinite(scores), scores, -np.inf)

    return log_density
