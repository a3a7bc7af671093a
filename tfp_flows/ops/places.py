"""Particles of several kinds, padded: numbers of each place, zeros where none is."""

from typing import Any

import numpy as np
import tensorflow as tf

__all__ = ["place_features", "present_places"]


def place_features(context: Any, num_places: int) -> tf.Tensor:
    """Returns what a context says of each place, [..., N · K] → [..., N, K]."""
    context = tf.convert_to_tensor(context)
    size = context.shape[-1] // num_places
    shape = tf.concat([tf.shape(context)[:-1], [num_places, size]], axis=0)
    return tf.reshape(context, shape)


def present_places(context: Any, num_places: int) -> tf.Tensor:
    """Returns 1 for places with a particle and 0 for those whose numbers are all 0.

    Args:
        context: [batch..., N · K], floating.
        num_places: N.

    Returns:
        [batch..., N, 1] in the dtype of the context.

    Raises:
        ValueError: eagerly, a number that is not finite, or fewer than two particles.
    """
    features = place_features(context, num_places)
    present = tf.reduce_any(features != 0, axis=-1, keepdims=True)
    if hasattr(features, "numpy"):
        _check(features.numpy(), present.numpy())
    return tf.cast(present, features.dtype)


def _check(features: np.ndarray, present: np.ndarray) -> None:
    if not np.isfinite(features).all():
        raise ValueError(
            "Features of particles must be finite numbers, 0 in places without one; "
            f"received {features[~np.isfinite(features)][0]}."
        )
    counts = present.sum(axis=(-2, -1))
    if counts.size and counts.min() < 2:
        row = np.unravel_index(counts.argmin(), counts.shape)
        raise ValueError(
            "A configuration needs at least two particles, places whose features are "
            f"not all 0; received {counts.min()} in row {tuple(map(int, row))}."
        )
