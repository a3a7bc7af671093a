"""Masked network whose parameters for feature i depend on features before i."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfp_flows.networks import degree_blocks
from tfp_flows.networks.conditioner import Conditioner

__all__ = ["MaskedAutoregressiveNetwork"]


@keras.saving.register_keras_serializable(package="tfp_flows")
class MaskedDense(keras.layers.Dense):
    """Dense layer with kernel ⊙ mask; the mask is fixed.

    Args:
        mask: [inputs, outputs] of zeros and ones.
        **kwargs: as for `keras.layers.Dense`; `units` follows from the mask.
    """

    def __init__(self, mask: Any, **kwargs: Any) -> None:
        self.mask = np.asarray(mask, "float32")
        kwargs["units"] = self.mask.shape[1]
        super().__init__(**kwargs)
        self.build((None, self.mask.shape[0]))

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Returns activation(inputs @ (kernel ⊙ mask) + bias)."""
        output = tf.linalg.matmul(inputs, self.masked_kernel)
        return self.activation(output + tf.convert_to_tensor(self.bias))

    @property
    def masked_kernel(self) -> tf.Tensor:
        """Kernel ⊙ mask, [inputs, outputs]."""
        kernel = tf.convert_to_tensor(self.kernel)
        return kernel * tf.cast(self.mask, kernel.dtype)

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments, for Keras."""
        return {**super().get_config(), "mask": self.mask.tolist()}


@keras.saving.register_keras_serializable(package="tfp_flows")
class MaskedAutoregressiveNetwork(Conditioner):
    """MADE: the parameters of feature i are a function of x₁ … xᵢ₋₁ and context.

    Each hidden unit has a degree m and sees features of degree ≤ m; the output for
    feature i sees hidden units of degree < i. Degrees cycle through 0 … D − 1, where
    degree 0 sees only the context, so that the first feature is conditioned as
    richly as the others. The context enters every hidden unit.

    Args:
        event_size: D, the features in and out.
        block_sizes: B sizes with sum D: the parameters are those of blocks of
            features, each a function of the blocks before it. None: single features.
        **options: `hidden_sizes`, `context_size` and the others of `Conditioner`.

    Input shape: [batch..., D], context [..., context_size].

    Output shape: [batch..., num_parameters, D]; of blocks [..., num_parameters, B].

    Reference: Germain et al. (2015), "MADE", arXiv:1502.03509, eq. 8 to 10.
    """

    _CONFIG = (*Conditioner._CONFIG, "event_size", "block_sizes")

    def __init__(
        self,
        event_size: int,
        *,
        block_sizes: Sequence[int] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.event_size = event_size
        self.block_sizes = None if block_sizes is None else tuple(block_sizes)
        sizes = self.block_sizes or (1,) * event_size
        if sum(sizes) != event_size or min(sizes) < 1:
            raise ValueError(
                f"block_sizes must be positive with sum {event_size}, received {sizes}."
            )
        self.num_blocks = len(sizes)
        masks = _masks(
            sizes, self.context_size or 0, self.hidden_sizes, self.num_parameters
        )
        self.hidden_layers = [
            MaskedDense(
                mask,
                activation=self.activation,
                kernel_initializer=self.initializer(index),
                dtype=self.dtype_policy,
            )
            for index, mask in enumerate(masks[:-1])
        ]
        self.output_layer = MaskedDense(
            masks[-1], kernel_initializer="zeros", dtype=self.dtype_policy
        )
        self.built = True

    def call(self, x: tf.Tensor, context: tf.Tensor | None = None) -> tf.Tensor:
        """Returns the parameters, [batch..., num_parameters, D or B]."""
        return self.dense_parameters(x, context, self.num_blocks)

    def kernel_of(self, layer: MaskedDense) -> tf.Tensor:
        """Weights of a layer with those that its mask hides set to zero."""
        return layer.masked_kernel

    def solve(
        self, inverse: Callable, y: tf.Tensor, context: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns x with xᵢ = inverse(yᵢ; θᵢ(x₁ … xᵢ₋₁, c)), and log dx/dy.

        Costs a few evaluations of the network, not one a feature; in mixed precision
        one a feature, as parameters have to be those of a call to the last bit.

        Args:
            inverse: y, [N], and parameters, [num_parameters, N] → x, log dx/dy;
                elementwise.
            y: [batch..., D].
            context: as for a call.

        Returns:
            Both [batch..., D].
        """
        if self.compute_dtype != self.variable_dtype:
            return self._solve_in_turn(inverse, y, context)
        joined = self.with_context(y, context)
        joined = tf.reshape(joined, [-1, joined.shape[-1]])
        # Nothing can be scattered into no rows: one stands in for them.
        num_rows = tf.shape(joined)[0]
        joined = tf.pad(joined, [[0, tf.maximum(1 - num_rows, 0)], [0, 0]])
        solution = degree_blocks.solve(
            [*self.hidden_layers, self.output_layer],
            _degrees(self.event_size, self.hidden_sizes),
            inverse,
            joined[:, : self.event_size],
            joined[:, self.event_size :],
        )
        x, log_slope = (tf.reshape(part[:num_rows], tf.shape(y)) for part in solution)
        return x, log_slope

    def _solve_in_turn(
        self, inverse: Callable, y: tf.Tensor, context: tf.Tensor | None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        def find_feature(step: tf.Tensor, x: tf.Tensor, _: tf.Tensor) -> Any:
            found, log_slope = inverse(y, self(x, context))
            # What is not known yet stays zero: infinities would reach the others.
            known = tf.range(self.event_size) <= step
            return step + 1, tf.where(known, found, 0), log_slope

        start = (tf.constant(0), tf.zeros_like(y), tf.zeros_like(y))
        _, x, log_slope = tf.while_loop(
            lambda *_: True, find_feature, start, maximum_iterations=self.event_size
        )
        return x, log_slope


def _degrees(event_size: int, hidden_sizes: Sequence[int]) -> list[np.ndarray]:
    """The degree of each hidden unit, a layer each."""
    return [
        # Spread over all features: the first ones alone would hide the others.
        np.arange(size) * event_size // size
        if size < event_size
        else np.arange(size) % event_size
        for size in hidden_sizes
    ]


def _masks(
    sizes: Sequence[int],
    context_size: int,
    hidden_sizes: Sequence[int],
    parameters: int,
) -> list[np.ndarray]:
    """One [inputs, outputs] mask a layer, the output's parameter-major."""
    # Blocks have degrees 1 … B; context has degree 0 and reaches every unit.
    blocks = np.arange(1, len(sizes) + 1)
    degrees = np.concatenate([blocks.repeat(sizes), np.zeros(context_size)])
    masks = []
    for hidden_degrees in _degrees(len(sizes), hidden_sizes):
        masks.append(degrees[:, None] <= hidden_degrees[None, :])
        degrees = hidden_degrees
    outputs = np.tile(blocks, parameters)
    masks.append(degrees[:, None] < outputs[None, :])
    return [mask.astype("float32") for mask in masks]
