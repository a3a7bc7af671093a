"""An E(n)-equivariant velocity of particles, with its exact divergence."""

from typing import Any

import keras
import tensorflow as tf

from tfp_flows.networks.conditioner import Conditioner
from tfp_flows.networks.equivariant.dual import Dual
from tfp_flows.networks.equivariant.layer import (
    kernels_of_ends,
    messages,
    through,
    updated,
)
from tfp_flows.networks.equivariant.presence import presence
from tfp_flows.networks.equivariant.tangents import (
    between,
    coordinates,
    gathered,
    own_trace,
    squared_norm,
)
from tfp_flows.ops import centered, place_features, present_places

__all__ = ["EquivariantVelocity"]


@keras.saving.register_keras_serializable(package="tfp_flows")
class EquivariantVelocity(Conditioner):
    """Graph network on all pairs (t, x) ↦ dx/dt that moves with the particles.

        mᵢⱼ = g(m) m,  m = φₑ(hᵢ, hⱼ, |xᵢ − xⱼ|², |xᵢ⁰ − xⱼ⁰|²),  g = σ(w · m + b)
        xᵢ ← xᵢ + Σⱼ (xᵢ − xⱼ) / (|xᵢ − xⱼ| + 1) · (R / L) tanh φₓ(mᵢⱼ)
        hᵢ ← hᵢ + φₕ(hᵢ, Σⱼ mᵢⱼ)
        v = x^L − x⁰, less its mean over the particles

    x⁰ is the input, h⁰ a linear function of time and of the context or of what it says
    of a particle, L the number of layers;
    φ are dense networks of one hidden layer, φₓ zero at the start. Rotated, reflected
    or permuted particles have the rotated, reflected or permuted velocity, those of
    several kinds where their features are permuted with them; a shift
    changes nothing, and the center of mass stays where it is.

    The first layer sees a particle through differences to others, and of the last one
    the trace asks how a particle moves with itself: of two layers the exact divergence
    carries one tangent a pair, whatever N and n are; of more it carries n through these
    two and N · n through layers between.

    Args:
        num_particles: N ≥ 2.
        dimension: n, of space.
        hidden_size: width of messages and features.
        num_layers: L.
        coordinate_range: R, the farthest that a pair pushes.
        attention: whether messages have a gate g; else g = 1.
        node_features: K, for particles of several kinds: the context has K numbers for
            each place, N · K in all, which are taken as they are, such as a one-hot
            kind or a charge. A place whose numbers are all 0 has no particle.
        **options: `context_size`, `seed` and the others of `Conditioner`, whose
            activation is SiLU.

    Call arguments:
        x: [batch..., N, n].
        context: [batch..., context_size], exactly when there is a `context_size`, which
            is N · K of node features.
        t: scalar, or broadcasting against [batch..., 1, 1].
        mask: [batch..., N] of 1 for particles and 0 for places without; these neither
            move nor act, whatever their positions. With node features they are it.

    Output shape: [batch..., N, n].

    Raises:
        ValueError: x is of another number of particles or dimension, or a known mask
            has other numbers.

    Reference: Garcia Satorras et al. (2021), "E(n) Equivariant Normalizing Flows",
    arXiv:2105.09016, with the stabilized form of its released code.
    """

    _CONFIG = (
        *("context_size", "seed", "num_particles", "dimension", "hidden_size"),
        *("num_layers", "coordinate_range", "attention", "node_features"),
    )

    def __init__(
        self,
        num_particles: int,
        dimension: int,
        *,
        hidden_size: int = 32,
        num_layers: int = 2,
        coordinate_range: float = 15.0,
        attention: bool = True,
        node_features: int | None = None,
        **options: Any,
    ) -> None:
        if num_particles < 2 or dimension < 1 or num_layers < 1:
            raise ValueError(
                "num_particles must be at least 2, dimension and num_layers at least "
                f"1, received {num_particles}, {dimension} and {num_layers}."
            )
        for name in ("activation", "hidden_sizes", "num_parameters"):
            options.pop(name, None)
        if node_features is not None and options.get("context_size") is not None:
            raise ValueError(
                "node_features are the context: leave out context_size, received "
                f"{node_features} and {options['context_size']}."
            )
        sizes = (hidden_size,) * num_layers
        super().__init__(hidden_sizes=sizes, activation="silu", **options)
        self.num_particles, self.dimension = num_particles, dimension
        self.hidden_size, self.num_layers = hidden_size, num_layers
        self.coordinate_range, self.attention = coordinate_range, attention
        self.node_features = node_features
        inputs = node_features or self.context_size or 0
        if node_features is not None:
            self.context_size = num_particles * node_features
        self._farthest = coordinate_range / num_layers
        self._count = 0
        self._embedding = self._dense("embedding", 1 + inputs)
        self._blocks = [
            self._block(index, is_last=index == num_layers - 1)
            for index in range(num_layers)
        ]
        self.built = True
        # A solver evaluates it at many stages: traced once, and once backwards.
        self._traced = tf.function(self._flow, autograph=False, reduce_retracing=True)

    @property
    def event_shape(self) -> tuple[int, ...]:
        """Shape of x, (N, n)."""
        return (self.num_particles, self.dimension)

    @property
    def spatial_rank(self) -> int:
        """One axis, of particles, between batch and features."""
        return 1

    def _dense(
        self, name: str, rows: int, size: int | None = None, *, bias: bool = True
    ) -> dict[str, Any]:
        self._count += 1
        weights = {
            "kernel": self.add_weight(
                shape=(rows, size or self.hidden_size),
                initializer=self.initializer(self._count) if bias else "zeros",
                name=f"{name}_kernel",
            )
        }
        if bias:
            weights["bias"] = self.add_weight(
                shape=(size or self.hidden_size,),
                initializer="zeros",
                name=f"{name}_bias",
            )
        return weights

    def _block(self, index: int, *, is_last: bool) -> dict[str, dict[str, Any]]:
        width = self.hidden_size
        sizes: dict[str, tuple[int, ...]] = {
            "edge": (2 * width + 2,),
            "message": (width,),
            "push": (width,),
            "length": (width, 1),
        }
        if self.attention:
            sizes["gate"] = (width, 1)
        if not is_last:
            # Features behind the last layer act on nothing.
            sizes |= {"node": (2 * width,), "update": (width,)}
        return {
            name: self._dense(f"{name}_{index}", *shape, bias=name != "length")
            for name, shape in sizes.items()
        }

    def call(
        self, x: Any, context: Any = None, t: Any = 0.0, mask: Any = None
    ) -> tf.Tensor:
        """Returns dx/dt, [batch..., N, n]."""
        return self._evaluate(x, context, t, mask, with_tangents=False)[0]

    def with_divergence(
        self, x: tf.Tensor, context: Any = None, t: Any = 0.0, mask: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns dx/dt, [batch..., N, n], and its divergence ∇ · v, [batch...].

        It is the divergence on the configurations of zero center of mass, too: the
        velocity neither has nor sees another one.
        """
        return self._evaluate(x, context, t, mask, with_tangents=True)

    def _evaluate(
        self, x: Any, context: Any, t: Any, mask: Any, *, with_tangents: bool
    ) -> tuple[tf.Tensor, tf.Tensor]:
        x = tf.convert_to_tensor(x)
        if tuple(x.shape[-2:]) != self.event_shape:
            raise ValueError(
                f"{self.name}: expected positions of {self.num_particles} particles in "
                f"{self.dimension} dimensions, [..., {self.num_particles}, "
                f"{self.dimension}], received shape {tuple(x.shape)}."
            )
        shape, batch = tf.shape(x), tf.shape(x)[:-2]
        time = tf.broadcast_to(tf.cast(t, x.dtype), tf.concat([batch, [1, 1]], 0))
        features, mask = self._features(time, context, mask)
        rows = tf.reshape(x, [-1, *self.event_shape])
        present, pairs = presence(mask, self.num_particles, x.dtype)
        velocity, divergence = self._traced(rows, features, pairs, with_tangents)
        velocity = centered(velocity, present)
        return tf.reshape(velocity, shape), tf.reshape(divergence, batch)

    def _features(
        self, time: tf.Tensor, context: Any, mask: Any
    ) -> tuple[tf.Tensor, Any]:
        """What h⁰ is made of, [B, N, 1 + K], or [B, 1, 1 + C], and the mask."""
        if self.node_features is None:
            features = self.with_context(time, context)
            return tf.reshape(features, [-1, 1, features.shape[-1]]), mask
        if mask is not None:
            raise ValueError(
                f"{self.name}: node features say which places have a particle: leave "
                f"out mask, received {mask}."
            )
        context = self.checked_context(context, time.dtype)
        shape = tf.concat([tf.shape(time)[:-2], [self.context_size]], axis=0)
        context = tf.broadcast_to(context, shape)
        places = place_features(context, self.num_particles)
        time = tf.broadcast_to(time, tf.shape(places[..., :1]))
        features = tf.concat([time, places], axis=-1)
        rows = tf.reshape(features, [-1, *features.shape[-2:]])
        return rows, present_places(context, self.num_particles)

    def adapt_context(self, context: Any) -> None:
        """As in `Conditioner`; features of particles are checked and stay as given."""
        if self.node_features is None:
            super().adapt_context(context)
        else:
            present_places(self.checked_context(context, "float64"), self.num_particles)

    def _flow(
        self, x: tf.Tensor, features: tf.Tensor, pairs: tf.Tensor, with_tangents: bool
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """x^L − x⁰, [B, N, n], and its divergence, [B]."""
        if with_tangents and self.num_layers == 2:
            return self._two_layers(x, features, pairs)
        h, moved = through(self._embedding, Dual(features)), Dual(tf.zeros_like(x))
        start = coordinates(x) if with_tangents else Dual(x)
        for index, block in enumerate(self._blocks):
            is_last = index == self.num_layers - 1
            own = index == 0 or is_last
            message, push = self._edges(block, start, start + moved, h, own=own)
            push = push.linear(lambda v: v * pairs)
            if is_last:
                break
            message = message.linear(lambda m: m * pairs)
            moved += gathered(push)
            h += updated(block, h, gathered(message))
        velocity = moved.value + tf.reduce_sum(push.value, axis=-2)
        if not with_tangents:
            return velocity, tf.zeros_like(x[:, 0, 0])
        divergence = own_trace(push)
        if moved.tangents is not None:
            diagonal = moved.tangents * start.tangents
            divergence += tf.reduce_sum(diagonal, axis=[0, 1, 3, 4])
        return velocity, divergence

    def _edges(
        self, block: dict[str, Any], start: Dual, place: Dual, h: Dual, *, own: bool
    ) -> tuple[Dual, Dual]:
        """Message and push of each pair, [B, N, N, ...]."""
        origin, difference = (
            between(one, one.linear(tf.negative), own=own) for one in (start, place)
        )
        origin, squared = squared_norm(origin), squared_norm(difference)
        receiver, sender = kernels_of_ends(block)
        ends = (h @ receiver, h @ sender)
        both = between(*ends, own=own)
        message, length = messages(block, both, squared, origin, self._farthest)
        return message, difference * length

    def _two_layers(
        self, x: tf.Tensor, features: tf.Tensor, pairs: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """As `_flow`, with one tangent a pair whatever n is.

        The first layer sees distances: one derivative, by the squared one, makes all
        others. Of the last the trace asks for that of a length along its own push.
        """
        first, last = self._blocks
        h = through(self._embedding, Dual(features)).value
        receiving, sending = Dual(h[:, :, tf.newaxis]), Dual(h[:, tf.newaxis])
        away = _differences(x)
        squared = squared_norm(Dual(away)).value
        seen = Dual(squared, tf.ones([1, 1, 1, 1, 1], x.dtype))
        receiver, sender = kernels_of_ends(first)
        ends = receiving @ receiver + sending @ sender
        message, length = messages(first, ends, seen, seen, self._farthest)
        length, message = (one.linear(lambda v: v * pairs) for one in (length, message))
        # ∂/∂xᵢ of s (xᵢ − xⱼ), s a function of the squared distance d: s + 2 s' a aᵀ.
        slope = 2 * length.tangent[..., tf.newaxis]
        products = away[..., tf.newaxis] * away[..., tf.newaxis, :]
        units = tf.eye(self.dimension, dtype=x.dtype)
        pushed = length.value[..., tf.newaxis] * units + slope * products
        moved = tf.reduce_sum(length.value * away, axis=-2)
        turned = units + tf.reduce_sum(pushed, axis=2, keepdims=True)
        # What j answers, of another kind than i: its push and message of the pair.
        turned += tf.einsum("bijkl->bjikl", pushed)
        # The pairs' differences now, and derivatives as xᵢ goes along its own one.
        now = away + _differences(moved)
        tangent = tf.linalg.matvec(turned, now)
        along = 2 * tf.reduce_sum(away * now, axis=-1, keepdims=True)
        received = tf.reduce_sum(message.value, axis=2)
        slope = message.tangent
        answered = tf.einsum("bijk->bjik", slope)
        mine = now @ (2 * tf.matmul(away, slope, transpose_a=True))
        nodes = (
            (receiving, Dual(received[:, :, tf.newaxis], mine[tf.newaxis])),
            (sending, Dual(received[:, tf.newaxis], (along * answered)[tf.newaxis])),
        )
        features_now = [h + updated(first, h, node) for h, node in nodes]
        receiver, sender = kernels_of_ends(last)
        ends = features_now[0] @ receiver + features_now[1] @ sender
        twice = 2 * tf.reduce_sum(now * tangent, axis=-1, keepdims=True)
        squared_now = Dual(squared_norm(Dual(now)).value, twice[tf.newaxis])
        seen = Dual(squared, along[tf.newaxis])
        _, length = messages(last, ends, squared_now, seen, self._farthest)
        length = length.linear(lambda v: v * pairs)
        velocity = moved + tf.reduce_sum(length.value * now, axis=-2)
        trace = length.value[..., 0] * tf.linalg.trace(turned)
        trace += length.tangent[..., 0] + tf.linalg.trace(pushed)
        return velocity, tf.reduce_sum(trace, axis=[1, 2])

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments, for Keras."""
        config = super().get_config()
        if self.node_features is not None:
            del config["context_size"]
        return config


def _differences(x: tf.Tensor) -> tf.Tensor:
    """xᵢ − xⱼ of all pairs, [B, N, n] → [B, N, N, n]."""
    return x[:, :, tf.newaxis] - x[:, tf.newaxis]
