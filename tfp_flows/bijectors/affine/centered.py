"""Positions of particles without their center of mass."""

from typing import Any

import tensorflow as tf

from tfp_flows.bijectors.trainable import TrainableBijector
from tfp_flows.ops import centered

__all__ = ["Centered"]


class Centered(TrainableBijector):
    """y = x − x̄: one configuration for all that are it, shifted.

    Between configurations of zero center of mass, over which flows of particles have
    densities, it is the identity: inverse x = y, log|det J| = 0. Of positions far from
    the origin the layers after it then see all digits that tell particles apart.

    Shapes: x, y: [batch..., N, n].

    Args:
        dtype: dtype of the event.
        validate_args: as in TFP.
        name: name of the bijector.
    """

    def __init__(
        self,
        *,
        dtype: Any = "float32",
        validate_args: bool = False,
        name: str = "centered",
    ) -> None:
        super().__init__(event_ndims=2, is_constant_jacobian=True)

    def _forward_and_log_det(self, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return centered(x), tf.zeros([], x.dtype)

    def _inverse_and_log_det(self, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return y, tf.zeros([], y.dtype)
