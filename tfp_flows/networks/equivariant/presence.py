"""Which places have a particle, and which pairs of them push each other."""

from typing import Any

import numpy as np
import tensorflow as tf

__all__ = ["presence"]


def presence(mask: Any, size: int, dtype: Any) -> tuple[Any, tf.Tensor]:
    """Which particles there are, [B, N, 1], and which pairs of two, [B, N, N, 1]."""
    others = (1 - tf.eye(size, dtype=dtype))[..., tf.newaxis]
    if mask is None:
        return None, others
    known = tf.get_static_value(tf.convert_to_tensor(mask))
    if known is not None and not np.isin(known, (0, 1)).all():
        raise ValueError(
            "mask must be 1 for particles and 0 for places without one, received "
            f"{np.unique(known).tolist()}."
        )
    present = tf.reshape(tf.cast(mask, dtype), [-1, size, 1])
    return present, others * present[:, :, tf.newaxis] * present[:, tf.newaxis]
