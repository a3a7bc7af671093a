"""What a bijector asks of the network that computes its parameters."""

from collections.abc import Sequence
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf

__all__ = ["Conditioner", "network_policy"]

_MIXED = "mixed_bfloat16"


def network_policy(dtype: Any, network_dtype: str | None = None) -> str:
    """Returns the Keras dtype policy of a network inside a bijector.

    bfloat16 has the range of float32, and 8 bits of its 24: it is for products of
    weights alone. Parameters, log-determinants and events stay in `dtype`.

    Args:
        dtype: of the event and the weights.
        network_dtype: `dtype`, or "mixed_bfloat16" with float32. None: what Keras'
            global policy says, where that is one of the two.

    Raises:
        ValueError: another policy, such as "mixed_float16", whose numbers end at 65504.
    """
    dtype = tf.as_dtype(dtype).name
    if network_dtype is None:
        mixed = dtype == "float32" and keras.config.dtype_policy().name == _MIXED
        return _MIXED if mixed else dtype
    if network_dtype != dtype and (dtype, network_dtype) != ("float32", _MIXED):
        raise ValueError(
            f"network_dtype must be the dtype of the event, {dtype!r}, or {_MIXED!r} "
            f"where that is float32; received {network_dtype!r}."
        )
    return network_dtype


class Conditioner(keras.layers.Layer):
    """Base of the conditioner networks: features (and context) → parameters.

    A conditioner is built when it is constructed: a bijector must be able to list
    its weights before it has seen data. Call it as ``network(x, context)``.

    The context is standardized inside, by statistics that `adapt_context` sets and
    that are saved with the weights: a year and a temperature weigh the same.

    Args:
        hidden_sizes: width of each hidden layer.
        num_parameters: parameters a feature.
        context_size: features of the context, None without one.
        activation: Keras activation of the hidden layers, of each unit by itself.
        seed: makes the initial weights reproducible.
        dtype: dtype of weights and computation, or a policy of both: of the products of
            layers, not of the context's statistics and the parameters.
        name: name of the layer.
        **kwargs: of `keras.layers.Layer`.

    Call arguments:
        x: [batch..., inputs] (or [batch..., H, W, inputs] for images).
        context: [..., context_size], broadcast against the batch axes of x; given
            exactly when `context_size` is not None.

    Output shape: [batch..., num_parameters, outputs].
    """

    _CONFIG: ClassVar[tuple[str, ...]] = (
        *("hidden_sizes", "num_parameters", "context_size", "activation", "seed"),
    )
    """Arguments of the constructor, which are attributes as well."""

    def __init__(
        self,
        *,
        hidden_sizes: Sequence[int] = (128, 128),
        num_parameters: int = 1,
        context_size: int | None = None,
        activation: str = "relu",
        seed: int | None = None,
        dtype: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, dtype=dtype, **kwargs)
        # Of a year bfloat16 keeps the decade: casts come after the standardization.
        self.autocast = self.compute_dtype == self.variable_dtype
        if any(size < 1 for size in hidden_sizes):
            raise ValueError(
                f"hidden_sizes must be positive, received {tuple(hidden_sizes)}."
            )
        if num_parameters < 1:
            raise ValueError(f"num_parameters must be ≥ 1, received {num_parameters}.")
        if context_size is not None and context_size < 1:
            raise ValueError(
                f"context_size must be None or ≥ 1, received {context_size}."
            )
        if not _is_elementwise(keras.activations.get(activation)):
            raise ValueError(
                "activation must act on each unit by itself, such as 'relu' or 'gelu'; "
                f"received {activation!r}."
            )
        self.hidden_sizes = tuple(hidden_sizes)
        self.num_parameters = num_parameters
        self.context_size = context_size
        self.activation = activation
        self.seed = seed
        if context_size is not None:
            self.context_mean = self._statistic("context_mean", "zeros")
            self.context_scale = self._statistic("context_scale", "ones")
            self.initialized = self.add_weight(
                shape=(),
                dtype="bool",
                initializer="zeros",
                trainable=False,
                name="initialized",
            )

    def _statistic(self, name: str, initializer: str) -> keras.Variable:
        return self.add_weight(
            shape=(self.context_size,),
            initializer=initializer,
            trainable=False,
            autocast=False,
            name=name,
        )

    def adapt_context(self, context: Any) -> None:
        """Sets the mean and scale that the context is standardized with.

        Args:
            context: [N..., C], raw.

        Raises:
            ValueError: a feature of the context is constant or not finite.
        """
        rows = np.asarray(context, "float64")
        rows = rows.reshape(-1, rows.shape[-1])
        mean, scale = rows.mean(axis=0), rows.std(axis=0)
        useless = ~np.isfinite(scale) | (scale <= 1e-12 * np.abs(mean))
        if np.any(useless):
            raise ValueError(
                f"Context feature {int(np.argmax(useless))} is constant or not "
                "finite: there is nothing to condition on. Leave it out."
            )
        self.initialized.assign(True)
        self.context_mean.assign(mean)
        self.context_scale.assign(scale)

    def initializer(self, index: int) -> keras.initializers.Initializer:
        """Glorot initializer of hidden layer `index`, tied to the network's seed."""
        seed = None if self.seed is None else self.seed + index
        return keras.initializers.GlorotUniform(seed=seed)

    def with_context(self, x: tf.Tensor, context: tf.Tensor | None) -> tf.Tensor:
        """Appends the context to the features after checking that it belongs."""
        context = self.checked_context(context, x.dtype)
        if context is None:
            return x
        context = (context - self.context_mean.value) / self.context_scale.value
        for _ in range(self.spatial_rank):
            context = context[..., tf.newaxis, :]
        shape = tf.concat([tf.shape(x)[:-1], [self.context_size]], axis=0)
        return tf.concat([x, tf.broadcast_to(context, shape)], axis=-1)

    def checked_context(self, context: Any, dtype: Any) -> tf.Tensor | None:
        """Returns the context, [..., C], after checking that it belongs, or None."""
        if self.context_size is None:
            if context is not None:
                raise ValueError(
                    f"{self.name} has no context_size but received a context. "
                    "Construct it with context_size=C to condition on C features."
                )
            return None
        if context is None:
            raise ValueError(
                f"{self.name} conditions on {self.context_size} features: pass "
                "context of shape [..., context_size]."
            )
        context = tf.cast(context, dtype)
        if context.shape[-1] != self.context_size:
            raise ValueError(
                f"context must have {self.context_size} features in its last axis, "
                f"received shape {tuple(context.shape)}."
            )
        return context

    def dense_parameters(
        self, x: tf.Tensor, context: tf.Tensor | None, outputs: int
    ) -> tf.Tensor:
        """Feeds features and context through dense layers, one after the other.

        Rows stand last on the way, in which order a spline reads its parameters: the
        transposition here and the one there cancel in a graph.

        Returns:
            [batch..., num_parameters, outputs].
        """
        hidden = self.with_context(x, context)
        if hidden.shape[-1] == 0:
            # A matrix with no rows cannot be initialized: such a network sees a one.
            hidden = tf.ones(tf.concat([tf.shape(x)[:-1], [1]], 0), x.dtype)
        hidden = tf.transpose(tf.reshape(hidden, [-1, hidden.shape[-1]]))
        for layer in (*self.hidden_layers, self.output_layer):
            kernel, bias = self.kernel_of(layer), tf.convert_to_tensor(layer.bias)
            hidden = tf.linalg.matmul(
                tf.cast(kernel, self.compute_dtype),
                tf.cast(hidden, self.compute_dtype),
                transpose_a=True,
            )
            if layer is self.output_layer:
                hidden = tf.cast(hidden, self.variable_dtype)
            bias = tf.cast(bias, hidden.dtype)[:, tf.newaxis]
            hidden = layer.activation(hidden + bias)
        parameters = tf.reshape(hidden, [self.num_parameters, outputs, -1])
        parameters = tf.transpose(parameters, [2, 0, 1])
        if x.shape.rank == 2:
            return parameters
        return tf.reshape(
            parameters, tf.concat([tf.shape(x)[:-1], parameters.shape[1:]], 0)
        )

    def kernel_of(self, layer: Any) -> tf.Tensor:
        """Weights of a dense layer, [inputs, outputs]."""
        return tf.convert_to_tensor(layer.kernel)

    @property
    def spatial_rank(self) -> int:
        """Axes between batch and features: 0 for vectors, 2 for images."""
        return 0

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments, for Keras."""
        own = {name: getattr(self, name) for name in self._CONFIG}
        return {**super().get_config(), **own}


def _is_elementwise(activation: Any) -> bool:
    with tf.init_scope():
        values = tf.constant([[0.5, 2.0], [-1.0, 1.0]])
        together = activation(values)
        apart = tf.transpose(activation(tf.transpose(values)))
    return np.allclose(together, apart)
