"""Pointwise invertible activations."""

import math
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tfp_flows.bijectors.trainable import TrainableBijector
from tfp_flows.ops import RationalQuadratic

__all__ = ["LeakyReLU", "MonotoneSpline", "SmoothLeakyReLU"]

# From its start the worst input needs 4 Newton steps in float32 and 5 in float64 for
# slopes down to 0.01; two more are spare.
_NEWTON_STEPS = 7


class LeakyReLU(TrainableBijector):
    """y = x for x ≥ 0, α x below; log dy/dx = 0 or log α.

    Shapes: any; acts on single numbers.

    Args:
        alpha: slope α in (0, 1] of the negative side.
        dtype: dtype of the event.
        validate_args: as in TFP.
        name: name of the bijector.
    """

    def __init__(
        self,
        alpha: float = 0.3,
        *,
        dtype: Any = "float32",
        validate_args: bool = False,
        name: str = "leaky_relu",
    ) -> None:
        self.alpha = _checked_slope(alpha)
        super().__init__(event_ndims=0)

    def _forward_and_log_det(self, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        slope = tf.where(x >= 0, tf.ones_like(x), self.alpha * tf.ones_like(x))
        return x * slope, tf.math.log(slope)

    def _inverse_and_log_det(self, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        slope = tf.where(y >= 0, tf.ones_like(y), self.alpha * tf.ones_like(y))
        return y / slope, -tf.math.log(slope)


class SmoothLeakyReLU(TrainableBijector):
    """y = α x + (1 − α) log(1 + eˣ), smooth and strictly increasing.

    log dy/dx = log(α + (1 − α) σ(x)). The inverse is found by Newton's method from
    x₀ = y for y ≥ 0 and y/α below: the map is convex and lies above its two
    asymptotes, so x₀ is not left of the root and the steps descend to it without
    overshooting. The gradient of the inverse is that of the implicit function.

    Shapes: any; acts on single numbers.

    Args:
        alpha: slope α in (0, 1] at −∞; the slope at +∞ is 1.
        dtype: dtype of the event.
        validate_args: as in TFP.
        name: name of the bijector.

    Example:
        >>> bijector = SmoothLeakyReLU()
        >>> round(float(bijector.inverse(bijector.forward(-3.0) + 0.0)), 5)
        -3.0

    Reference: Keller et al. (2021), "Self Normalizing Flows", arXiv:2011.07248,
    appendix on activations.
    """

    def __init__(
        self,
        alpha: float = 0.3,
        *,
        dtype: Any = "float32",
        validate_args: bool = False,
        name: str = "smooth_leaky_relu",
    ) -> None:
        self.alpha = _checked_slope(alpha)
        super().__init__(event_ndims=0)

    def _forward_and_log_det(self, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return self._value(x), tf.math.log(self._slope(x))

    def _inverse_and_log_det(self, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        root = tf.stop_gradient(self._root(tf.stop_gradient(y)))
        # One more step whose derivative in y is 1 / slope, the implicit function's.
        x = root + (y - self._value(root)) / self._slope(root)
        return x, -tf.math.log(self._slope(x))

    def _root(self, y: tf.Tensor) -> tf.Tensor:
        x = tf.where(y >= 0, y, y / self.alpha)
        for _ in range(_NEWTON_STEPS):
            x -= (self._value(x) - y) / self._slope(x)
        return x

    def _value(self, x: tf.Tensor) -> tf.Tensor:
        return self.alpha * x + (1.0 - self.alpha) * tf.nn.softplus(x)

    def _slope(self, x: tf.Tensor) -> tf.Tensor:
        return self.alpha + (1.0 - self.alpha) * tf.sigmoid(x)


class MonotoneSpline(TrainableBijector):
    """A learned monotone spline per feature, the identity at the start.

    yᵢ = g(xᵢ; θᵢ) with g a `RationalQuadratic` and θ free weights, not a network's
    output. log|det J| = Σᵢ log g′(xᵢ).

    Shapes: x, y: [batch..., D], an image shares its splines over the pixels; or
    [batch..., H, W, C] with one spline for each pixel and channel.

    Args:
        event_size: D, the size of the last axis; or a shape, such as (H, W, C), for
            a spline per entry.
        transform: the spline. Default: `ops.RationalQuadratic()`.
        dtype: dtype of the event and the weights.
        validate_args: as in TFP.
        name: name of the bijector.

    Reference: Durkan et al. (2019), "Neural Spline Flows", arXiv:1906.04032.
    """

    def __init__(
        self,
        event_size: int | Sequence[int],
        *,
        transform: RationalQuadratic | None = None,
        dtype: Any = "float32",
        validate_args: bool = False,
        name: str = "monotone_spline",
    ) -> None:
        shape = (event_size,) if isinstance(event_size, int) else tuple(event_size)
        self.transform = RationalQuadratic() if transform is None else transform
        self._event_rank, self._num_splines = len(shape), math.prod(shape)
        self.spline_parameters = tf.Variable(
            tf.zeros([self.transform.num_parameters, self._num_splines], dtype),
            name=f"{name}_parameters",
        )
        super().__init__(event_ndims=len(shape))

    def _forward_and_log_det(self, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return self._transformed(self.transform.forward, x)

    def _inverse_and_log_det(self, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return self._transformed(self.transform.inverse, y)

    def _transformed(self, transform: Any, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        batch = tf.shape(x)[: x.shape.rank - self._event_rank]
        rows = tf.reshape(x, tf.concat([batch, [self._num_splines]], 0))
        y, log_slope = transform(rows, tf.convert_to_tensor(self.spline_parameters))
        return tf.reshape(y, tf.shape(x)), tf.reduce_sum(log_slope, axis=-1)


def _checked_slope(alpha: float) -> float:
    if not 0 < alpha <= 1:
        raise ValueError(f"alpha must lie in (0, 1], received {alpha}.")
    return alpha
