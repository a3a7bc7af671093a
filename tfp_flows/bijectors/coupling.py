"""Coupling: transform one part of the features given the other part."""

import numbers
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tfp_flows.bijectors.trainable import TrainableBijector
from tfp_flows.networks import MLP, ConvNet
from tfp_flows.networks.conditioner import network_policy
from tfp_flows.ops import Affine, ElementwiseTransform

__all__ = ["Coupling"]


class Coupling(TrainableBijector):
    """y = (x_a, g(x_b; θ(x_a, c))): one part passes, the other is transformed.

    Inverse: x_b = g⁻¹(y_b; θ(y_a, c)), as cheap as the forward map.
    log|det J| = Σᵢ log g′(x_b,ᵢ; θᵢ). The last axis is split: the first ⌊D/2⌋
    features pass (the last ⌊D/2⌋ if `flip`). With D = 1 nothing passes and θ is a
    learned constant or a function of the context. Starts as the identity.

    Shapes: x, y: [batch..., D], or [batch..., H, W, C] where `event_shape` has three
    entries: the split is then by channels and the network convolutional.

    Args:
        event_shape: (D,) or (H, W, C); a whole number D means (D,).
        transform: the elementwise map g. Default: `ops.Affine()`.
        flip: transform the first part instead of the last.
        hidden_sizes: width of each hidden layer of the conditioner.
        context_size: features of the context c, None without one.
        activation: Keras activation of the conditioner.
        seed: makes the initial weights reproducible.
        dtype: dtype of the event and the weights.
        network_dtype: policy of the network, see `network_policy`.
        validate_args: as in TFP.
        name: name of the bijector; it keys the context in a `tfb.Chain`.

    Example:
        >>> bijector = Coupling(4, hidden_sizes=[8])
        >>> bijector.forward_log_det_jacobian(tf.zeros([2, 4])).numpy().tolist()
        [0.0, 0.0]

    Reference: Dinh et al. (2017), "Density estimation using Real NVP",
    arXiv:1605.08803, eq. 4 to 8; splines: Durkan et al. (2019), arXiv:1906.04032.
    """

    def __init__(
        self,
        event_shape: int | Sequence[int],
        *,
        transform: ElementwiseTransform | None = None,
        flip: bool = False,
        hidden_sizes: Sequence[int] = (128, 128),
        context_size: int | None = None,
        activation: str = "relu",
        seed: int | None = None,
        dtype: Any = "float32",
        network_dtype: str | None = None,
        validate_args: bool = False,
        name: str = "coupling",
    ) -> None:
        shape = _checked_event_shape(event_shape)
        self.transform = Affine() if transform is None else transform
        self.flip = flip
        self.num_passing = shape[-1] // 2
        self.num_transformed = shape[-1] - self.num_passing
        policy = network_policy(dtype, network_dtype)
        network = (MLP if len(shape) == 1 else ConvNet)(
            self.num_passing,
            self.num_transformed,
            hidden_sizes=hidden_sizes,
            num_parameters=self.transform.num_parameters,
            context_size=context_size,
            activation=activation,
            seed=seed,
            dtype=policy,
            name=f"{name}_network",
        )
        super().__init__(
            parameters={"network_dtype": policy},
            event_ndims=len(shape),
            network=network,
        )

    def _forward_and_log_det(
        self, x: tf.Tensor, context: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        passing, rest = self._split(x)
        parameters = self.network(passing, context)
        rest, log_slope = self.transform.forward(rest, parameters)
        return self._join(passing, rest), self._sum(log_slope)

    def _inverse_and_log_det(
        self, y: tf.Tensor, context: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        passing, rest = self._split(y)
        parameters = self.network(passing, context)
        rest, log_slope = self.transform.inverse(rest, parameters)
        return self._join(passing, rest), self._sum(log_slope)

    def _split(self, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        if self.flip:
            rest, passing = tf.split(
                x, [self.num_transformed, self.num_passing], axis=-1
            )
        else:
            passing, rest = tf.split(
                x, [self.num_passing, self.num_transformed], axis=-1
            )
        return passing, rest

    def _join(self, passing: tf.Tensor, rest: tf.Tensor) -> tf.Tensor:
        return tf.concat([rest, passing] if self.flip else [passing, rest], axis=-1)

    def _sum(self, log_slope: tf.Tensor) -> tf.Tensor:
        event_axes = list(range(-self.forward_min_event_ndims, 0))
        return tf.reduce_sum(log_slope, axis=event_axes)


def _checked_event_shape(event_shape: int | Sequence[int]) -> tuple[int, ...]:
    sizes = [event_shape] if isinstance(event_shape, numbers.Integral) else event_shape
    shape = tuple(int(size) for size in sizes)  # type: ignore[union-attr]
    if len(shape) not in (1, 3) or any(size < 1 for size in shape):
        raise ValueError(
            "event_shape must be (features,) or (height, width, channels) with "
            f"positive sizes, received {event_shape}."
        )
    if len(shape) == 3 and shape[-1] < 2:
        raise ValueError(
            "An image coupling splits the channels and needs at least two, received "
            f"event_shape={event_shape}. Put a Squeeze before it."
        )
    return shape
