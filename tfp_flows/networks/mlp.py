"""Multilayer perceptron that computes a coupling's parameters."""

from typing import Any

import keras
import tensorflow as tf

from tfp_flows.networks.conditioner import Conditioner

__all__ = ["MLP"]


@keras.saving.register_keras_serializable(package="tfp_flows")
class MLP(Conditioner):
    """Dense network x ↦ parameters, zero at the start.

    The last layer starts at zero, so the bijector it conditions starts as the
    identity. With no inputs (a coupling of one feature) the parameters are a learned
    constant, or a function of the context alone.

    Args:
        input_size: features of x; may be 0.
        output_size: features that the parameters are for.
        **options: `hidden_sizes`, `context_size` and the others of `Conditioner`.

    Input shape: [batch..., input_size], context [..., context_size].

    Output shape: [batch..., num_parameters, output_size].

    Example:
        >>> network = MLP(2, 3, num_parameters=2, hidden_sizes=[8])
        >>> tuple(network(tf.zeros([5, 2])).shape)
        (5, 2, 3)
    """

    _CONFIG = (*Conditioner._CONFIG, "input_size", "output_size")

    def __init__(
        self,
        input_size: int,
        output_size: int,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.input_size = input_size
        self.output_size = output_size
        self.hidden_layers = [
            keras.layers.Dense(
                size,
                activation=self.activation,
                kernel_initializer=self.initializer(index),
                dtype=self.dtype_policy,
            )
            for index, size in enumerate(self.hidden_sizes)
        ]
        self.output_layer = keras.layers.Dense(
            self.num_parameters * output_size,
            kernel_initializer="zeros",
            dtype=self.dtype_policy,
        )
        self._build_layers()

    def _build_layers(self) -> None:
        width = max(self.input_size + (self.context_size or 0), 1)
        for layer in self.hidden_layers:
            layer.build((None, width))
            width = layer.units
        self.output_layer.build((None, width))
        self.built = True

    def call(self, x: tf.Tensor, context: tf.Tensor | None = None) -> tf.Tensor:
        """Returns the parameters, [batch..., num_parameters, output_size]."""
        return self.dense_parameters(x, context, self.output_size)
