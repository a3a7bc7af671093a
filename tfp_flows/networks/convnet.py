"""Convolutional network that computes an image coupling's parameters."""

from typing import Any

import keras
import tensorflow as tf

from tfp_flows.networks.conditioner import Conditioner

__all__ = ["ConvNet"]


@keras.saving.register_keras_serializable(package="tfp_flows")
class ConvNet(Conditioner):
    """Image network of 3×3, 1×1 … and 3×3 convolutions, zero at the start.

    The first and the last kernel are 3×3, those between 1×1, padding "same", as in
    Glow; the last starts at zero. A context is appended to every pixel as channels.

    Args:
        input_channels: channels of x.
        output_channels: channels that the parameters are for.
        **options: `hidden_sizes`, in channels, `context_size` and the others of
            `Conditioner`.

    Input shape: [batch..., H, W, input_channels], context [..., context_size].

    Output shape: [batch..., H, W, num_parameters, output_channels].

    Reference: Kingma and Dhariwal (2018), "Glow", arXiv:1807.03039, section 5.
    """

    _CONFIG = (*Conditioner._CONFIG, "input_channels", "output_channels")

    def __init__(
        self,
        input_channels: int,
        output_channels: int,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.input_channels = input_channels
        self.output_channels = output_channels
        self.hidden_layers = [
            self._convolution(size, 3 if index == 0 else 1, index)
            for index, size in enumerate(self.hidden_sizes)
        ]
        self.output_layer = keras.layers.Conv2D(
            self.num_parameters * output_channels,
            3,
            padding="same",
            kernel_initializer="zeros",
            dtype=self.dtype_policy,
        )
        channels = input_channels + (self.context_size or 0)
        for layer in self.hidden_layers:
            layer.build((None, None, None, channels))
            channels = layer.filters
        self.output_layer.build((None, None, None, channels))
        self.built = True

    def _convolution(self, size: int, kernel: int, index: int) -> keras.layers.Conv2D:
        return keras.layers.Conv2D(
            size,
            kernel,
            padding="same",
            activation=self.activation,
            kernel_initializer=self.initializer(index),
            dtype=self.dtype_policy,
        )

    @property
    def spatial_rank(self) -> int:
        """Two axes, height and width."""
        return 2

    def call(self, x: tf.Tensor, context: tf.Tensor | None = None) -> tf.Tensor:
        """Returns the parameters, [batch..., H, W, parameters, channels]."""
        shape = tf.shape(x)
        hidden = self.with_context(x, context)
        # Convolutions take exactly one batch axis.
        flat = tf.concat([[-1], tf.shape(hidden)[-3:]], 0)
        static = hidden.shape[-3:]
        hidden = tf.ensure_shape(tf.reshape(hidden, flat), [None, *static])
        for layer in self.hidden_layers:
            hidden = layer(hidden)
        output = tf.cast(self.output_layer(hidden), x.dtype)
        return tf.reshape(
            output,
            tf.concat([shape[:-1], [self.num_parameters, self.output_channels]], 0),
        )
