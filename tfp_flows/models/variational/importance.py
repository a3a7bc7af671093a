"""The importance-weighted bound over many rows and draws, in pieces."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfp_flows.objectives import importance_weighted_bound

__all__ = ["importance_log_prob"]

# Numbers that a decoder may return at once: 64 MB in float32.
_LARGEST = 2**24
_ROWS = 100


def importance_log_prob(
    draws: Callable[..., tuple[tf.Tensor, tf.Tensor, tf.Tensor]],
    x: Any,
    num_samples: int,
    seed: tf.Tensor,
    *,
    size: int,
    verbose: int,
) -> np.ndarray:
    """Returns log 1/S Σₛ p(x, zₛ) / q(zₛ|x) of each row, [N].

    Args:
        draws: (rows, seed, S) → log p(x|z), log p(z), log q(z|x), each [S, rows].
        x: [N, event...], or a `tf.data.Dataset` of such.
        num_samples: S ≥ 1.
        seed: stateless seed of shape [2].
        size: numbers that the decoder returns for one row.
        verbose: 1 shows the progress.
    """
    if num_samples < 1:
        raise ValueError(f"num_samples must be at least 1, received {num_samples}.")
    total = None if isinstance(x, tf.data.Dataset) else math.ceil(len(x) / _ROWS)
    progress = keras.utils.Progbar(total, unit_name="batch") if verbose else None
    found = []
    for index, rows in enumerate(_batches(x)):
        piece = max(1, _LARGEST // (size * len(rows)))
        own = tf.random.fold_in(seed, index)
        parts = []
        for start in range(0, num_samples, piece):
            count = min(piece, num_samples - start)
            terms = draws(rows, tf.random.fold_in(own, start), tf.constant(count))
            parts.append([np.asarray(term) for term in terms])
        likelihood, prior, posterior = (
            np.concatenate(p) for p in zip(*parts, strict=True)
        )
        found.append(importance_weighted_bound(likelihood + prior, posterior).numpy())
        if progress is not None:
            progress.update(index + 1, finalize=total == index + 1)
    return np.concatenate(found)


def _batches(x: Any) -> Iterator[tf.Tensor]:
    """At most 100 rows at a time."""
    pieces = x if isinstance(x, tf.data.Dataset) else [x]
    for piece in pieces:
        rows = piece[0] if isinstance(piece, tuple) else piece
        for start in range(0, len(rows), _ROWS):
            yield tf.convert_to_tensor(rows[start : start + _ROWS])
