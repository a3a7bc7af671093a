"""Keyword arguments that belong to the rows of x, such as a context."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

__all__ = ["RowKwargs", "flatten_rows"]


class RowKwargs:
    """Keyword arguments of a call, whose tensors may have one row for each row of x.

    A tensor or array is *per row* if its leading axes are the batch axes of x;
    everything else is handed on unchanged. Nested dicts, as `tfb.Chain` and
    `tfd.TransformedDistribution` take them, are searched.

    Args:
        kwargs: the keyword arguments, or None.
        batch_shape: the batch axes of x.
    """

    def __init__(
        self, kwargs: Mapping[str, Any] | None, batch_shape: Sequence[int]
    ) -> None:
        self._structure = dict(kwargs or {})
        leaves = tf.nest.flatten(self._structure)
        self._per_row = [_is_per_row(leaf, tuple(batch_shape)) for leaf in leaves]
        self._leaves = [
            flatten_rows(tf.convert_to_tensor(leaf), len(batch_shape)) if rows else leaf
            for leaf, rows in zip(leaves, self._per_row, strict=True)
        ]

    def __bool__(self) -> bool:
        return any(self._per_row)

    def take(
        self, indices: Sequence[int] | np.ndarray, batch_shape: Sequence[int]
    ) -> dict[str, Any]:
        """Keyword arguments for chosen rows.

        Args:
            indices: row numbers, as many as `batch_shape` has elements.
            batch_shape: batch axes of the result.

        Returns:
            The keyword arguments; per-row tensors are [batch_shape..., their axes...].
        """
        leaves = [
            _gather(leaf, indices, batch_shape) if rows else leaf
            for leaf, rows in zip(self._leaves, self._per_row, strict=True)
        ]
        return tf.nest.pack_sequence_as(self._structure, leaves)


def flatten_rows(tensor: tf.Tensor, batch_ndims: int) -> tf.Tensor:
    """Merges the leading `batch_ndims` axes (none: adds one) into rows."""
    return tf.reshape(tensor, [-1, *tensor.shape[batch_ndims:]])


def _is_per_row(leaf: Any, batch_shape: tuple[int, ...]) -> bool:
    if not (tf.is_tensor(leaf) or isinstance(leaf, np.ndarray)):
        return False
    return tuple(leaf.shape[: len(batch_shape)]) == batch_shape


def _gather(
    leaf: tf.Tensor, indices: Sequence[int] | np.ndarray, batch_shape: Sequence[int]
) -> tf.Tensor:
    taken = tf.gather(leaf, np.asarray(indices, np.int32))
    return tf.reshape(taken, [*batch_shape, *leaf.shape[1:]])
