"""The velocity of a continuous flow, with its divergence in closed form."""

from typing import Any

import keras
import tensorflow as tf

from tfp_flows.networks.conditioner import Conditioner

__all__ = ["VelocityMLP"]


@keras.saving.register_keras_serializable(package="tfp_flows")
class VelocityMLP(Conditioner):
    """Dense network (t, x) ↦ dx/dt, zero at the start.

        hₗ = φ(Wₗ hₗ₋₁ + bₗ + t aₗ),   v = W h + b + t a,   h₀ = (x, c)

    With `gated` hₗ = φ((Wₗ hₗ₋₁ + bₗ) · σ(t gₗ + fₗ) + t aₗ), in hidden layers only.

    The Jacobian of two hidden layers is W S₂ W₂ S₁ W₁ with diagonal S, so that its
    trace is s₁ᵀ (W₂ᵀ ⊙ (W₁ W)) s₂: `with_divergence` costs one more product of hidden
    size, however many features there are. With more layers it costs D of them.

    Args:
        event_size: D.
        gated: scale hidden units by a function of time.
        hidden_sizes: width of each hidden layer.
        activation: a smooth one: the trace of a kinked network jumps, and no solver
            likes that.
        **options: `context_size`, `seed` and the others of `Conditioner`.

    Call arguments:
        x: [batch..., D].
        context: [batch..., context_size], exactly when there is a `context_size`.
        t: scalar, or broadcasting against [batch..., 1].

    Output shape: [batch..., D].

    Reference: Grathwohl et al. (2019), "FFJORD", arXiv:1810.01367, appendix B.1,
    "concat" and "concatsquash".
    """

    _CONFIG = (
        *("hidden_sizes", "context_size", "activation", "seed"),
        *("event_size", "gated"),
    )

    def __init__(
        self,
        event_size: int,
        *,
        gated: bool = False,
        hidden_sizes: Any = (64, 64),
        activation: str = "tanh",
        **options: Any,
    ) -> None:
        options.pop("num_parameters", None)
        super().__init__(hidden_sizes=hidden_sizes, activation=activation, **options)
        if event_size < 1:
            raise ValueError(f"event_size must be at least 1, received {event_size}.")
        self.event_size = event_size
        self.gated = gated
        self._activation = keras.activations.get(activation)
        width = event_size + (self.context_size or 0)
        self._layers_of_weights = []
        for index, size in enumerate((*self.hidden_sizes, event_size)):
            is_last = index == len(self.hidden_sizes)
            self._layers_of_weights.append(self._weights(index, width, size, is_last))
            width = size
        self.built = True

    @property
    def event_shape(self) -> tuple[int, ...]:
        """Shape of x, (D,)."""
        return (self.event_size,)

    def _weights(self, index: int, rows: int, size: int, is_last: bool) -> dict:
        kernel = "zeros" if is_last else self.initializer(index)
        shapes = {"kernel": (rows, size), "bias": (size,), "time": (size,)}
        if self.gated and not is_last:
            shapes |= {"gate_time": (size,), "gate_bias": (size,)}
        return {
            name: self.add_weight(
                shape=shape,
                initializer=kernel if name == "kernel" else "zeros",
                name=f"{name}_{index}",
            )
            for name, shape in shapes.items()
        }

    def call(self, x: Any, context: Any = None, t: Any = 0.0) -> tf.Tensor:
        """Returns dx/dt, [batch..., D]."""
        return self._evaluate(x, context, t, with_slopes=False)[0]

    def with_divergence(
        self, x: tf.Tensor, context: tf.Tensor | None = None, t: Any = 0.0
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns dx/dt, [batch..., D], and its divergence ∇ · v, [batch...]."""
        velocity, slopes = self._evaluate(x, context, t, with_slopes=True)
        kernels = [tf.identity(layer["kernel"]) for layer in self._layers_of_weights]
        kernels[0] = kernels[0][: self.event_size]
        if not slopes:
            trace = tf.linalg.trace(kernels[0])
            return velocity, tf.broadcast_to(trace, tf.shape(velocity)[:-1])
        if len(slopes) == 1:
            weights = tf.reduce_sum(kernels[0] * tf.transpose(kernels[1]), axis=0)
            return velocity, tf.linalg.matvec(slopes[0], weights)
        if len(slopes) == 2:
            loop = kernels[1] * tf.transpose(kernels[2] @ kernels[0])
            return velocity, tf.reduce_sum((slopes[0] @ loop) * slopes[1], axis=-1)
        # The tangent of each feature through the layers, [batch..., D, width].
        tangents = kernels[0]
        for slope, kernel in zip(slopes[:-1], kernels[1:-1], strict=True):
            tangents = (slope[..., tf.newaxis, :] * tangents) @ kernel
        ends = tf.reduce_sum(tangents * tf.transpose(kernels[-1]), axis=-2)
        return velocity, tf.reduce_sum(ends * slopes[-1], axis=-1)

    def _evaluate(
        self, x: tf.Tensor, context: Any, t: Any, *, with_slopes: bool
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        hidden = self.with_context(x, context)
        t = tf.cast(t, hidden.dtype)
        slopes = []
        *inner, last = self._layers_of_weights
        for layer in inner:
            gate = None
            hidden = hidden @ layer["kernel"] + layer["bias"]
            if self.gated:
                gate = tf.sigmoid(t * layer["gate_time"] + layer["gate_bias"])
                hidden *= gate
            hidden += t * layer["time"]
            hidden, slope = self._activated(hidden, with_slopes)
            slopes.append(slope if gate is None or not with_slopes else slope * gate)
        velocity = hidden @ last["kernel"] + last["bias"] + t * last["time"]
        return velocity, slopes

    def _activated(self, x: tf.Tensor, with_slope: bool) -> Any:
        if not with_slope:
            return self._activation(x), None
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = self._activation(x)
        return y, tape.gradient(y, x)
