"""A distribution with its context and its noise under one plain interface."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

from tfp_flows import bijectors
from tfp_flows.bijectors.structure.own_cache import own_caches
from tfp_flows.distributions import ImplicitDistribution, NodeFeatures
from tfp_flows.distributions.structure import (
    components,
    dequantize,
    flow_of,
    is_gridded,
    quantize,
)
from tfp_flows.models.bridge.modelable import check_distribution
from tfp_flows.screening import check_unmasked

__all__ = ["DistributionAdapter", "LeafArguments"]

LeafArguments = Mapping[int, Mapping[str, Any]]
"""Identity of a layer → keyword arguments that it takes beside the context."""


class DistributionAdapter:
    """What a model needs of a distribution, conditional or not, gridded or not.

    TFP takes a context as nested keyword arguments, a `Dequantized` distribution
    wraps the one that has the bijector and a `BoostedMixture` has several; here
    context and noise are plain arguments.

    Args:
        distribution: over one event: batch shape (), event shape fully known.

    Raises:
        TypeError: `distribution` is no `tfd.Distribution`.
        ValueError: it has a batch shape or an event shape that is not fully known.
    """

    def __init__(self, distribution: tfd.Distribution) -> None:
        check_distribution(distribution)
        own_caches(distribution)
        self.distribution = distribution
        self.dtype = distribution.dtype
        self.event_shape = tuple(distribution.event_shape)
        self.parts = [DistributionAdapter(g) for g in components(distribution)]
        self.takes_seed = is_gridded(distribution)
        inner = flow_of(distribution)
        self.bijector = getattr(inner, "bijector", None)
        self.base = getattr(inner, "distribution", None)
        # Of a distribution that is no flow but conditions itself.
        self.context_size: int | None = getattr(inner, "context_size", None)
        self.learned_inverses: list[bijectors.LearnedInverse] = []
        self.of_base: DistributionAdapter | None = None
        if self.bijector is not None:
            conditional = bijectors.conditional_bijectors(self.bijector)
            self.context_size = conditional[0].context_size if conditional else None
            if getattr(self.base, "bijector", None) is not None:
                # A flow whose base is a flow, such as one that domains share.
                self.of_base = DistributionAdapter(self.base)
                self.context_size = self.context_size or self.of_base.context_size
            self.learned_inverses = bijectors.learned_inverses(self.bijector)
        elif self.parts:
            self.context_size = _common_context_size(self.parts)
            self.learned_inverses = [
                layer for part in self.parts for layer in part.learned_inverses
            ]

    @property
    def base_event_shape(self) -> tuple[int, ...] | None:
        """Shape of the base's event; None where there is no bijector."""
        if self.bijector is None:
            return None
        shape = tf.TensorShape(self.event_shape)
        return tuple(self.bijector.inverse_event_shape(shape))

    def log_prob(
        self,
        x: Any,
        context: Any,
        seed: Any = None,
        arguments: LeafArguments | None = None,
    ) -> tf.Tensor:
        """Returns log p(x | context), [batch...].

        Args:
            x: [batch..., event...].
            context: [batch..., C], or None.
            seed: noise of a dequantized distribution.
            arguments: what layers are told beside the context.
        """
        x, context = self.event(x), self.cast(context)
        log_prob = self.log_prob_of_event(x, context, seed, arguments)
        return self._zero_at_infinity(x, log_prob)

    def log_prob_of_event(
        self,
        x: tf.Tensor,
        context: tf.Tensor | None,
        seed: Any = None,
        arguments: LeafArguments | None = None,
    ) -> tf.Tensor:
        """`log_prob` of what `event` and `cast` returned, these very tensors."""
        nested = self._distribution_arguments(context, arguments, seed)
        return self.distribution.log_prob(x, **nested)

    def _zero_at_infinity(self, x: tf.Tensor, log_prob: tf.Tensor) -> tf.Tensor:
        """Zero density where x is infinite, or too large for the dtype on its way."""
        if not self.dtype.is_floating:
            return log_prob
        largest = tf.reduce_max(tf.abs(x), list(range(-len(self.event_shape), 0)))
        overflows = (largest > self.dtype.max**0.5) & tf.math.is_nan(log_prob)
        outside = tf.math.is_inf(largest) | overflows
        return tf.where(outside, tf.constant(-np.inf, log_prob.dtype), log_prob)

    def sample(
        self, n: Any, context: Any, seed: Any, *, gridded: bool = True
    ) -> tf.Tensor:
        """[n, event...], or [n, batch..., event...] with a context [batch..., C].

        Of whole numbers with `gridded`, or of the density that is dequantized to.
        """
        shape = [n]
        if context is not None:
            shape = tf.concat([[n], tf.shape(context)[:-1]], 0)
        arguments = self._distribution_arguments(self.cast(context))
        drawn = self.distribution if gridded else flow_of(self.distribution)
        return drawn.sample(shape, seed=seed, **arguments)

    def sample_base(self, n: Any, seed: Any, context: Any = None) -> tf.Tensor:
        """Draws of the base, [n, base event...]; each in its row of a context."""
        arguments = self._arguments_of_base(context)
        return self.base.sample(n, seed=seed, **arguments)  # type: ignore[union-attr]

    def log_prob_of_base(self, z: tf.Tensor, context: tf.Tensor | None) -> tf.Tensor:
        """The base's log-density, [N], of [N, base event...] as `inverse` gives it."""
        arguments = self._arguments_of_base(context)
        return self.base.log_prob(z, **arguments)  # type: ignore[union-attr]

    def _arguments_of_base(self, context: tf.Tensor | None) -> dict[str, Any]:
        """The context for a base that asks for one, as that of atoms does."""
        if self.of_base is not None:
            asks = self.of_base.context_size is not None
            return self.of_base._distribution_arguments(context if asks else None)
        asks = getattr(self.base, "context_size", None) is not None
        return {"context": context} if asks else {}

    def forward(self, z: Any, context: Any) -> tf.Tensor:
        """Base → data; on the grid where data is gridded."""
        arguments = self.arguments_of_bijector(self.cast(context))
        x = self.checked_bijector().forward(self.fresh(z), **arguments)
        return quantize(self.distribution, x)

    def inverse(self, x: Any, context: Any) -> tf.Tensor:
        """Data → base; gridded data gets the noise that its row hashes to."""
        arguments = self.arguments_of_bijector(self.cast(context))
        x = self.event(x)
        x = dequantize(self.distribution, x)
        return self.checked_bijector().inverse(x, **arguments)

    @property
    def continuous_layers(self) -> list[bijectors.Continuous]:
        """The layers that solve an equation, those of all components."""
        if self.bijector is None:
            return [one for part in self.parts for one in part.continuous_layers]
        leaves = bijectors.leaves(self.bijector)
        return [leaf for leaf in leaves if isinstance(leaf, bijectors.Continuous)]

    def layers_with(self, name: str) -> list[tfb.Bijector]:
        """The layers that have an attribute of that name; none of a mixture's."""
        if self.bijector is None:
            return []
        leaves = bijectors.leaves(self.bijector)
        return [leaf for leaf in leaves if hasattr(leaf, name)]

    @property
    def shares_paths(self) -> bool:
        """Whether the log-density of rows tells what its solves cost."""
        return self.bijector is not None and bool(self.continuous_layers)

    @property
    def waits_for_data(self) -> bool:
        """Whether a data-dependent part has not been set yet."""
        parts = (self.distribution, *self.distribution.submodules)
        return any(not bijectors.is_initialized(part) for part in parts)

    def initialize(self, x: Any, context: Any, *, anew: bool = True) -> None:
        """Sets the data-dependent parts, bijectors and base, from rows of data.

        Args:
            x: [N, event...].
            context: [N, C], or None.
            anew: also set parts again that were set before.
        """
        for part in self.parts:
            part.initialize(x, context, anew=anew)
        if self.bijector is None:
            inner = flow_of(self.distribution)
            sets_itself = isinstance(inner, ImplicitDistribution | NodeFeatures)
            if sets_itself and (anew or not bijectors.is_initialized(inner)):
                inner.initialize(dequantize(self.distribution, x), context)
            return
        arguments = self.arguments_of_bijector(self.cast(context))
        x = self.fresh(x)
        x = dequantize(self.distribution, x)
        data_to_base = tfb.Invert(self.bijector)
        z = bijectors.initialize(data_to_base, x, anew=anew, **arguments)
        if self.of_base is not None:
            asks = self.of_base.context_size is not None
            self.of_base.initialize(z, context if asks else None, anew=anew)
        set_base = getattr(self.base, "initialize", None)
        if set_base is not None and (anew or not bijectors.is_initialized(self.base)):
            set_base(z)

    def event(self, x: Any) -> tf.Tensor:
        """A new tensor of x with checked axes: TensorFlow broadcasts a wrong width."""
        if self.dtype.is_integer:
            _check_whole(x)
        x = self.fresh(x)
        received = x.shape[x.shape.rank - len(self.event_shape) :]
        if len(self.event_shape) > x.shape.rank or not received.is_compatible_with(
            self.event_shape
        ):
            raise ValueError(
                f"x must end with the axes of an event, {self.event_shape}; received "
                f"shape {tuple(x.shape)}."
            )
        return x

    def fresh(self, x: Any) -> tf.Tensor:
        """A new tensor of x, in the dtype of the distribution."""
        check_unmasked(x, "x")
        x = tf.convert_to_tensor(x)
        # TFP caches by tensor and would return what weights that have changed since
        # made of this one.
        return tf.identity(tf.cast(x, self.dtype))

    def cast(self, context: Any) -> tf.Tensor | None:
        """The context in the dtype of the distribution."""
        check_unmasked(context, "context")
        return None if context is None else tf.cast(context, self.dtype)

    def data_to_base(
        self, x: Any, context: Any, arguments: LeafArguments
    ) -> tuple[tfb.Bijector, tf.Tensor, dict[str, Any]]:
        """Returns the normalizing bijector, its input for data x, and its arguments."""
        x = self.event(x)
        x = dequantize(self.distribution, x)
        nested = self.arguments_of_bijector(self.cast(context), arguments)
        return tfb.Invert(self.checked_bijector()), x, nested

    def _distribution_arguments(
        self,
        context: tf.Tensor | None,
        arguments: LeafArguments | None = None,
        seed: Any = None,
    ) -> dict[str, Any]:
        self._check_context(context)
        if self.parts:
            each = [
                part._distribution_arguments(context, arguments, seed)
                for part in self.parts
            ]
            return {"component_kwargs": each} if any(each) else {}
        nested = self.arguments_of_bijector(context, arguments)
        own: dict[str, Any] = {"bijector_kwargs": nested} if nested else {}
        if of_base := self._arguments_of_base(context):
            own["distribution_kwargs"] = of_base
        if self.bijector is None and context is not None:
            own = {"context": context}
        return {**own, "seed": seed} if seed is not None else own

    def arguments_of_bijector(
        self, context: tf.Tensor | None, arguments: LeafArguments | None = None
    ) -> dict[str, Any]:
        """Returns the nested arguments that hand each layer its own."""
        self._check_context(context)
        if self.bijector is None:
            return {}
        return bijectors.nested_arguments(
            self.bijector, lambda leaf: self.arguments_of(leaf, context, arguments)
        )

    @staticmethod
    def arguments_of(
        leaf: tfb.Bijector,
        context: tf.Tensor | None,
        arguments: LeafArguments | None = None,
    ) -> dict[str, Any]:
        """Returns the keyword arguments of one layer."""
        is_conditional = getattr(leaf, "context_size", None) is not None
        own = {"context": context} if is_conditional else {}
        return {**own, **(arguments or {}).get(id(leaf), {})}

    def _check_context(self, context: Any) -> None:
        if (context is None) == (self.context_size is None):
            return
        wanted, received = "no context", "none"
        if self.context_size is not None:
            wanted = f"a context of {self.context_size} features"
        if context is not None:
            received = f"shape {tuple(context.shape)}"
        raise ValueError(f"This model expects {wanted}, received {received}.")

    def checked_bijector(self) -> tfb.Bijector:
        """The bijector; refuses a distribution without one."""
        if self.bijector is None:
            raise ValueError(
                f"{self.distribution.name} is no transformed distribution: it has no "
                "map between a base and the data."
            )
        return self.bijector


def _common_context_size(parts: Sequence["DistributionAdapter"]) -> int | None:
    sizes = {part.context_size for part in parts}
    if len(sizes) > 1:
        raise ValueError(
            "All components of a mixture need the same context, received "
            f"context_size {', '.join(map(str, (p.context_size for p in parts)))}."
        )
    return sizes.pop()


def _check_whole(x: Any) -> None:
    """Refuses numbers that a distribution over whole ones would see rounded."""
    x = tf.convert_to_tensor(x)
    if hasattr(x, "numpy") and x.dtype.is_floating and np.any(x != tf.floor(x)):
        raise ValueError(
            "This distribution is over whole numbers; x has fractions, which would be "
            "cut off."
        )
