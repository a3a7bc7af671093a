"""One scale for particles, about their center of mass."""

from typing import Any

import numpy as np
import tensorflow as tf

from tfp_flows.bijectors.trainable import TrainableBijector
from tfp_flows.ops import centered, present_places

__all__ = ["CenteredScale"]


class CenteredScale(TrainableBijector):
    """y = x̄ + (x − x̄) / σ: particles nearer to their center of mass x̄, not trained.

    Inverse: x = x̄ + σ (y − x̄). log|det J| = −(N − 1) n log σ, for the center of mass
    stays where it is: n of the N n directions are not scaled. Rotations and
    permutations pass through it. Inside a model σ is a weight that is saved but not
    trained.

    Shapes: x, y: [batch..., N, n].

    Args:
        num_particles: N ≥ 2.
        dimension: n, of space.
        node_features: K, where a context [batch..., N · K] has K numbers for each
            place and a place whose numbers are all 0 has no particle: then N is how
            many there are, and what stands in the others is 0. None: all are there.
        dtype: dtype of the event and of σ.
        validate_args: as in TFP.
        name: name of the bijector.

    Example:
        >>> bijector = CenteredScale(2, 1)
        >>> bijector.initialize([[[1.0], [3.0]], [[9.0], [3.0]]])
        >>> bijector.scale.numpy().round(3)  # √((2 + 18) / 2)
        np.float32(3.162)
    """

    def __init__(
        self,
        num_particles: int,
        dimension: int,
        *,
        node_features: int | None = None,
        dtype: Any = "float32",
        validate_args: bool = False,
        name: str = "centered_scale",
    ) -> None:
        self.event_size = (num_particles, dimension)
        self._node_features = node_features
        self.scale = tf.Variable(
            tf.ones([], dtype), trainable=False, name=f"{name}_scale"
        )
        self.initialized = tf.Variable(
            False, trainable=False, name=f"{name}_initialized"
        )
        super().__init__(event_ndims=2, is_constant_jacobian=node_features is None)

    @property
    def context_size(self) -> int | None:
        """N · K of a context with K numbers for each place; None without."""
        if self._node_features is None:
            return None
        return self.event_size[0] * self._node_features

    def initialize(self, x: Any, context: Any = None) -> None:
        """Sets σ so that |y − ȳ|² is (N − 1) n on average, as that of normal noise.

        Args:
            x: [rows..., N, n].
            context: [rows..., N · K], with node features.

        Raises:
            ValueError: x is of other particles, not finite, or all particles of all
                rows are in one place.
        """
        rows = np.asarray(x, "float64")
        if rows.shape[-2:] != self.event_size or rows.ndim < 3:
            raise ValueError(
                f"{self.name}.initialize: expected positions [rows..., "
                f"{self.event_size[0]}, {self.event_size[1]}], received shape "
                f"{rows.shape}."
            )
        present, degrees = self._places(context)
        square = tf.reduce_sum(centered(rows, present) ** 2, axis=[-2, -1])
        scale = np.sqrt(np.mean(square) / np.mean(degrees))
        if not np.isfinite(scale) or scale == 0:
            raise ValueError(
                f"{self.name}.initialize: expected finite positions of particles in "
                f"different places, received a mean distance from their center of "
                f"{scale}."
            )
        self.initialized.assign(True)
        self.scale.assign(scale)

    def _forward_and_log_det(
        self, x: tf.Tensor, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        return self._scaled(x, -1.0, context)

    def _inverse_and_log_det(
        self, y: tf.Tensor, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        return self._scaled(y, 1.0, context)

    def _scaled(
        self, x: tf.Tensor, sign: float, context: Any
    ) -> tuple[tf.Tensor, tf.Tensor]:
        log_scale = sign * tf.math.log(tf.convert_to_tensor(self.scale))
        present, degrees = self._places(context)
        if present is None:
            moved = x + centered(x) * (tf.exp(log_scale) - 1)
            return moved, tf.cast(degrees, x.dtype) * log_scale
        present = tf.cast(present, x.dtype)
        moved = x * present + centered(x, present) * (tf.exp(log_scale) - 1)
        degrees = tf.broadcast_to(tf.cast(degrees, x.dtype), tf.shape(x)[:-2])
        return moved, degrees * log_scale

    def _places(self, context: Any) -> tuple[tf.Tensor | None, tf.Tensor]:
        """Which places have a particle, None for all, and (N − 1) n, float64."""
        size, dimension = self.event_size
        if self._node_features is None:
            return None, tf.constant((size - 1) * dimension, tf.float64)
        present = present_places(tf.cast(context, tf.float64), size)
        return present, (tf.reduce_sum(present, axis=[-2, -1]) - 1) * dimension
