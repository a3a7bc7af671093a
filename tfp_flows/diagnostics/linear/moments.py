"""First and second moments of rows that stream past, in float64.

Batches are merged by M ← M + M_b + (n n_b / (n + n_b)) δ δᵀ with δ the difference
of the means: no sum of squares of raw values is ever formed, so a large mean costs no
digits.

Reference: Chan, Golub and LeVeque (1983), "Algorithms for Computing the Sample
Variance", eq. 2.1 (there for one column).
"""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

__all__ = ["Moments", "event_batches"]

# Numbers converted to float64 at once: 16 MiB.
_CHUNK_VALUES = 2**21


class Moments:
    """Count, mean and scatter of rows [..., N, D], updated batch by batch.

    The leading axes are apart from each other: a mean [..., D] and a scatter
    [..., D, D] each.
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean = np.zeros([])
        self._scatter = np.zeros([])

    def update(self, rows: np.ndarray) -> None:
        """Adds rows [..., n, D], real or complex."""
        count, mean = rows.shape[-2], rows.mean(axis=-2)
        centered = rows - mean[..., np.newaxis, :]
        total, apart = self.count + count, mean - self.mean
        scatter = np.swapaxes(centered, -1, -2) @ centered.conj()
        scatter += self._scatter
        if self.count:
            scatter += (self.count * count / total) * _square(apart)
        self._scatter, self.mean = scatter, self.mean + apart * (count / total)
        self.count = total

    def second(self, center: np.ndarray) -> np.ndarray:
        """Returns E[(x − c)(x − c)ᴴ] about a center c [..., D]: [..., D, D].

        The spread of a constant feature is exactly zero, not round-off.
        """
        covariance = self._scatter / self.count
        deviation = np.sqrt(np.diagonal(covariance, axis1=-2, axis2=-1).real)
        covariance *= _square(deviation > 1e-12 * np.abs(self.mean))
        covariance += _square(self.mean - center)
        return covariance


def _square(vector: np.ndarray) -> np.ndarray:
    """Returns v vᴴ, [..., D, D]."""
    return vector[..., :, np.newaxis] * vector[..., np.newaxis, :].conj()


def event_batches(
    x: Any, event_ndims: int, event_shape: tuple[int, ...] | None = None
) -> Iterator[np.ndarray]:
    """Yields [n, event...] in float64 from an array, a dataset or batches.

    Args:
        x: an array [N, event...] (a memory map is read piece by piece), a
            `tf.data.Dataset` of batches, or an iterable of batches; of a tuple the
            first part is taken.
        event_ndims: axes of an event.
        event_shape: what the events must be like; None takes it from the first batch.

    Raises:
        ValueError: a batch of another rank or event shape, a value that is not
            finite, or no row at all.
    """
    started = False
    for batch in _pieces(x, event_ndims):
        batch = np.asarray(batch)
        if batch.ndim != event_ndims + 1 or event_shape not in (None, batch.shape[1:]):
            expected = event_shape or f"of {event_ndims} axes"
            raise ValueError(
                f"Expected batches [rows, event...] with events {expected}, received "
                f"shape {batch.shape}. Set event_ndims, or batch the dataset."
            )
        if batch.dtype.kind not in "biuf":
            raise ValueError(
                f"Expected real numbers, received dtype {batch.dtype}. Encode "
                "categories, and split complex numbers, as columns of floats."
            )
        event_shape = batch.shape[1:]
        for rows in _chunks(batch):
            if not np.isfinite(rows).all():
                raise ValueError(
                    "Expected finite values, received NaN or infinity. Drop or fill "
                    "those rows first."
                )
            started = True
            yield rows
    if not started:
        raise ValueError("Expected at least one row, received none.")


def _pieces(x: Any, event_ndims: int) -> Iterable[Any]:
    if hasattr(x, "as_numpy_iterator"):
        x = x.as_numpy_iterator()
    elif hasattr(x, "shape") or _is_nested_list(x):
        return [x if hasattr(x, "__array_interface__") else np.asarray(x)]
    return (part[0] if isinstance(part, tuple) else part for part in x)


def _is_nested_list(x: Any) -> bool:
    """Rows written out as lists of numbers, as opposed to a list of batches."""
    return isinstance(x, list) and bool(x) and not hasattr(x[0], "shape")


def _chunks(batch: np.ndarray) -> Iterator[np.ndarray]:
    size = max(1, _CHUNK_VALUES // max(1, int(np.prod(batch.shape[1:]))))
    for start in range(0, len(batch), size):
        yield np.asarray(batch[start : start + size], "float64")
