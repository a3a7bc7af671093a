"""Positions of particles without their center of mass."""

from typing import Any

import tensorflow as tf

from tfp_flows.bijectors.trainable import TrainableBijector
from tfp_flows.ops import centered, present_places

__all__ = ["Centered"]


class Centered(TrainableBijector):
    """y = x − x̄: one configuration for all that are it, shifted.

    Between configurations of zero center of mass, over which flows of particles have
    densities, it is the identity: inverse x = y, log|det J| = 0. Of positions far from
    the origin the layers after it then see all digits that tell particles apart.

    Shapes: x, y: [batch..., N, n].

    Args:
        context_size: N · K numbers, K a place, where places without a particle, those
            whose numbers are all 0, are to be 0 in y; None: all are there.
        dtype: dtype of the event.
        validate_args: as in TFP.
        name: name of the bijector.
    """

    def __init__(
        self,
        *,
        context_size: int | None = None,
        dtype: Any = "float32",
        validate_args: bool = False,
        name: str = "centered",
    ) -> None:
        self._context_size = context_size
        super().__init__(event_ndims=2, is_constant_jacobian=True)

    @property
    def context_size(self) -> int | None:
        """Numbers that say which places have a particle; None without."""
        return self._context_size

    def _forward_and_log_det(
        self, x: tf.Tensor, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        present = None if context is None else present_places(context, x.shape[-2])
        return centered(x, present), tf.zeros([], x.dtype)

    def _inverse_and_log_det(
        self, y: tf.Tensor, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        return y, tf.zeros([], y.dtype)
