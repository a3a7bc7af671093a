"""Fixed reordering of the features."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfp_flows.bijectors.initialization.draws import generator
from tfp_flows.bijectors.trainable import TrainableBijector

__all__ = ["Permutation"]


class Permutation(TrainableBijector):
    """yᵢ = x_{π(i)} along the last axis; log|det J| = 0.

    Shapes: x, y: [batch..., D]; an image is reordered by channels.

    Args:
        event_size: D, the size of the last axis.
        order: π as D indices, "reverse", or "random" with a seed.
        seed: draws the random order; the same seed gives the same order.
        dtype: dtype of the event.
        validate_args: as in TFP.
        name: name of the bijector.

    Example:
        >>> Permutation(3, order="reverse").forward([[1.0, 2.0, 3.0]]).numpy().tolist()
        [[3.0, 2.0, 1.0]]
    """

    def __init__(
        self,
        event_size: int,
        *,
        order: str | Sequence[int] = "reverse",
        seed: int | None = None,
        dtype: Any = "float32",
        validate_args: bool = False,
        name: str = "permutation",
    ) -> None:
        self.order = _checked_order(event_size, order, seed)
        super().__init__(
            # The drawn order, not how it was drawn: a copy is the same map.
            parameters={"order": self.order.tolist(), "seed": None},
            is_constant_jacobian=True,
        )

    def _forward_and_log_det(self, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return tf.gather(x, self.order, axis=-1), tf.zeros([], x.dtype)

    def _inverse_and_log_det(self, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return tf.gather(y, np.argsort(self.order), axis=-1), tf.zeros([], y.dtype)


def _checked_order(
    size: int, order: str | Sequence[int], seed: int | None
) -> np.ndarray:
    if isinstance(order, str):
        if order == "reverse":
            return np.arange(size)[::-1].copy()
        if order == "random":
            return generator(seed).permutation(size)
        raise ValueError(
            f'order must be "reverse", "random" or indices, received {order!r}.'
        )
    if sorted(order) != list(range(size)):
        raise ValueError(
            f"order must hold each of 0 … {size - 1} once, received {list(order)}."
        )
    return np.asarray(order)
