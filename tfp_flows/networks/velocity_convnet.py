"""The velocity of a continuous flow of images."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from tfp_flows.networks.conditioner import Conditioner

__all__ = ["VelocityConvNet"]


@keras.saving.register_keras_serializable(package="tfp_flows")
class VelocityConvNet(Conditioner):
    """Image network (t, x) ↦ dx/dt of 3×3 convolutions, zero at the start.

    Time is appended to every layer's input as a channel, the context to the first's.
    Its divergence has no closed form: exact it costs H · W · C passes backward.

    Args:
        event_shape: (H, W, C) of x.
        hidden_sizes: channels of each hidden layer.
        activation: a smooth one, as of `VelocityMLP`.
        **options: `context_size`, `seed` and the others of `Conditioner`.

    Call arguments:
        x: [batch..., H, W, C].
        context: [batch..., context_size], exactly when there is a `context_size`.
        t: scalar, or broadcasting against [batch..., 1, 1, 1].

    Output shape: [batch..., H, W, C].

    Reference: Grathwohl et al. (2019), "FFJORD", arXiv:1810.01367, appendix B.1,
    "concat" convolutions.
    """

    _CONFIG = ("hidden_sizes", "context_size", "activation", "seed", "event_shape")

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        hidden_sizes: Any = (32, 32),
        activation: str = "softplus",
        **options: Any,
    ) -> None:
        options.pop("num_parameters", None)
        super().__init__(hidden_sizes=hidden_sizes, activation=activation, **options)
        if len(event_shape) != 3 or min(event_shape) < 1:
            raise ValueError(
                "event_shape must be (height, width, channels), received "
                f"{tuple(event_shape)}."
            )
        self.event_shape = tuple(event_shape)
        channels = self.event_shape[-1]
        width = channels + (self.context_size or 0)
        self.convolutions = []
        for index, size in enumerate((*self.hidden_sizes, channels)):
            is_last = index == len(self.hidden_sizes)
            layer = keras.layers.Conv2D(
                size,
                3,
                padding="same",
                activation=None if is_last else activation,
                kernel_initializer="zeros" if is_last else self.initializer(index),
                dtype=self.dtype_policy,
            )
            layer.build((None, None, None, width + 1))
            self.convolutions.append(layer)
            width = size
        self.built = True

    @property
    def spatial_rank(self) -> int:
        """Two axes, height and width."""
        return 2

    def call(self, x: Any, context: Any = None, t: Any = 0.0) -> tf.Tensor:
        """Returns dx/dt, [batch..., H, W, C]."""
        hidden = self.with_context(x, context)
        pixels = tf.concat([tf.shape(x)[:-1], [1]], axis=0)
        t = tf.broadcast_to(tf.cast(t, x.dtype), pixels)
        # Convolutions take exactly one batch axis.
        t = tf.reshape(t, [-1, *self.event_shape[:2], 1])
        hidden = tf.reshape(hidden, [-1, *self.event_shape[:2], hidden.shape[-1]])
        for layer in self.convolutions:
            hidden = layer(tf.concat([hidden, t], axis=-1))
        return tf.reshape(hidden, tf.shape(x))
