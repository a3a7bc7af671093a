"""A distribution at one batch, each quantity computed once."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

from tfp_flows import bijectors
from tfp_flows.bijectors.continuous import PathRecord
from tfp_flows.bijectors.structure.walk import inverted, leaves, parts, walk
from tfp_flows.distributions.structure import dequantize, flow_of
from tfp_flows.models.bridge.adapter import DistributionAdapter, LeafArguments
from tfp_flows.ops import place_features

__all__ = ["BatchEvaluation", "check_needs"]

_GIVEN = frozenset(
    {"conditionals", "context", "known", "layer_inputs", "layer_passages"}
    | {"learned_inverses", "log_prob", "path", "samples", "scale", "seed"}
    | {"velocity", "x"}
)


class BatchEvaluation:
    """What `objectives.Evaluation` promises, of a TFP distribution.

    The log-density and `layer_inputs` carry the same tensor through the same layers
    with the same arguments, so that in a graph TFP's cache makes one walk of the two.

    Args:
        adapter: the distribution.
        x: [N, event...].
        context: [N, C], or None.
        known: [N], or None.
        seed: noise of a dequantized distribution.
        arguments: what layers are told beside the context.
        log_prob: [N], where it has been computed.
    """

    def __init__(
        self,
        adapter: DistributionAdapter,
        x: Any,
        context: Any = None,
        known: Any = None,
        *,
        seed: Any = None,
        arguments: LeafArguments | None = None,
        log_prob: tf.Tensor | None = None,
    ) -> None:
        self._adapter, self._seed, self._record = adapter, seed, PathRecord()
        self._arguments = dict(arguments or {})
        for layer in adapter.continuous_layers:
            told = self._arguments.get(id(layer), {})
            self._arguments[id(layer)] = {**told, "record": self._record}
        self.x, self.context = adapter.event(x), adapter.cast(context)
        self._known, self._samples = known, {}  # type: ignore[var-annotated]
        self.learned_inverses = adapter.learned_inverses
        if log_prob is not None:
            self.log_prob = log_prob

    @property
    def known(self) -> tf.Tensor:
        """[N], the column that came with the rows."""
        if self._known is None:
            raise ValueError(
                "This objective needs a known number for each row: train by "
                "fit_packed((x, known)), or ((x, context, known))."
            )
        return tf.cast(self._known, self._adapter.dtype)

    @functools.cached_property
    def log_prob(self) -> tf.Tensor:
        """[N], log p(x | context), nats."""
        return self._solved_log_prob

    @functools.cached_property
    def _solved_log_prob(self) -> tf.Tensor:
        return self._adapter.log_prob_of_event(
            self.x, self.context, self._seed, self._arguments
        )

    def samples(self, n: int, seed: tf.Tensor) -> tf.Tensor:
        """[n, event...], or [n, N, event...] with a context; once for each n."""
        if n not in self._samples:
            self._samples[n] = self._adapter.sample(
                n, self.context, seed, gridded=False
            )
        return self._samples[n]

    def rows(self, seed: tf.Tensor) -> tf.Tensor:
        """[N, event...], x as `samples` are: whole numbers with noise to the next."""
        return dequantize(self._adapter.distribution, self.x, seed)

    @property
    def scale(self) -> tf.Tensor | None:
        """[D], standard deviations of the data, of its first layer or the whole."""
        adapter = self._adapter
        first = adapter.distribution
        if adapter.bijector is not None:
            first = _in_order(adapter.bijector)[0]
        deviation = getattr(first, "standard_deviation", None)
        return None if deviation is None else tf.convert_to_tensor(deviation)

    def conditionals(
        self, n: int, seed: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, Sequence[int]]:
        """Rows and draws at the layer of blocks, and the blocks' sizes."""
        adapter, seeds = self._adapter, tf.unstack(tf.random.split(seed, 2))
        x = self.rows(seeds[0])
        if adapter.bijector is None:
            inner = flow_of(adapter.distribution)
            x, draws = inner.conditionals(x, n, seeds[1], self.context)
            return x, tf.ensure_shape(draws, [n, *x.shape]), inner.block_sizes
        (layer,) = adapter.layers_with("conditionals")
        data_to_base = tfb.Invert(adapter.checked_bijector())
        x = _arriving_at(layer, data_to_base, x, self._nested)
        z = adapter.sample_base([n, tf.shape(x)[0]], seeds[1])
        own = adapter.arguments_of(layer, self.context)
        draws = layer.conditionals(x, z, **own)
        return x, tf.ensure_shape(draws, [n, *x.shape]), layer.block_sizes

    def layer_inputs(
        self, num_rows: int | None = None
    ) -> list[tuple[tfb.Bijector, tf.Tensor]]:
        """Each layer, nearest the data first, with what arrives at it."""
        return [(leaf, at) for leaf, at, _ in self.layer_passages(num_rows)]

    def layer_passages(
        self, num_rows: int | None = None
    ) -> list[tuple[tfb.Bijector, tf.Tensor, tf.Tensor | None]]:
        """And with its image there, None where a layer's inverse is taken."""
        adapter, first = self._adapter, functools.partial(_first, limit=num_rows)
        data_to_base = tfb.Invert(adapter.checked_bijector())
        if adapter.takes_seed or _has_levels(adapter.bijector):
            # No walk to share: the density adds noise, or splits levels anew.
            x, nested = tf.nest.map_structure(first, (self.x, self._nested))
            x = dequantize(adapter.distribution, x)
            return bijectors.layer_passages(data_to_base, x, **nested)
        passages = bijectors.layer_passages(data_to_base, self.x, **self._nested)
        return [
            (layer, first(at), None if image is None else first(image))
            for layer, at, image in passages
        ]

    @functools.cached_property
    def _nested(self) -> dict[str, Any]:
        return self._adapter.arguments_of_bijector(self.context, self._arguments)

    @functools.cached_property
    def path(self) -> list[Any]:
        """The way through each continuous layer, as the log-density solved for it.

        Then what the `path` of each layer of another kind returns for what arrives.
        """
        _ = self._solved_log_prob
        solved = self._record.of(self._adapter.continuous_layers)
        return [*solved, *self._paths_of_others()]

    def _paths_of_others(self) -> list[Any]:
        layers = self._adapter.layers_with("path")
        if all(isinstance(layer, bijectors.Continuous) for layer in layers):
            return []
        found: list[Any] = []

        def visit(
            leaf: tfb.Bijector, x: tf.Tensor, inverse: bool, own: dict[str, Any]
        ) -> tf.Tensor:
            if hasattr(leaf, "path") and not isinstance(leaf, bijectors.Continuous):
                found.append(leaf.path(x, **own))
            return (leaf.inverse if inverse else leaf.forward)(x, **own)

        walk(tfb.Invert(self._adapter.checked_bijector()), self.x, visit, self._nested)
        return found

    @functools.cached_property
    def velocity(self) -> tuple[Callable[..., tf.Tensor], float]:
        """The `velocity` of the one layer that has one, in this context, and its T."""
        (layer,) = self._adapter.layers_with("velocity")
        own = self._adapter.arguments_of(layer, self.context)
        return functools.partial(layer.velocity, **own), layer.end_time

    @property
    def node_features(self) -> tf.Tensor | None:
        """The context by places, for a velocity of particles of several kinds."""
        (layer,) = self._adapter.layers_with("velocity")
        network: Any = getattr(layer, "network", None)
        if getattr(network, "node_features", None) is None:
            return None
        return place_features(self.context, network.num_particles)

    def ends(self, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """What arrives at that layer from the data, and from draws of the base."""
        adapter = self._adapter
        (layer,) = adapter.layers_with("velocity")
        x = dequantize(adapter.distribution, self.x)
        z = adapter.sample_base(tf.shape(x)[:1], seed, self.context)
        data_to_base = tfb.Invert(adapter.checked_bijector())
        arrive = functools.partial(_arriving_at, layer, data_to_base)
        return arrive(x, self._nested), arrive(z, self._nested, inverse=True)


def _arriving_at(
    layer: tfb.Bijector,
    bijector: tfb.Bijector,
    x: tf.Tensor,
    nested: dict[str, Any],
    *,
    inverse: bool = False,
) -> tf.Tensor:
    """Returns x as it comes to `layer`; the layer is passed over."""
    found: list[tf.Tensor] = []

    def visit(
        leaf: tfb.Bijector, x: tf.Tensor, inverse: bool, own: dict[str, Any]
    ) -> tf.Tensor:
        if leaf is layer:
            found.append(x)
            return x
        return (leaf.inverse if inverse else leaf.forward)(x, **own)

    walk(bijector, x, visit, nested, inverse=inverse)
    return found[0]


def check_needs(part: Any, adapter: DistributionAdapter, has_density: bool) -> None:
    """Refuses an objective or penalty that a distribution has not the means for.

    Raises:
        TypeError: it is no `objectives.Objective`.
        ValueError: the distribution lacks what it needs.
    """
    needs = getattr(part, "needs", None)
    if needs is None or not callable(part):
        raise TypeError(
            "An objective or penalty must be a callable with an attribute `needs`, "
            f"see objectives.Objective; received {type(part).__name__}."
        )
    reason = _lacking(needs, adapter, has_density)
    if reason is not None:
        raise ValueError(
            f"{adapter.distribution.name} cannot be trained by {type(part).__name__}, "
            f"which needs {', '.join(sorted(needs))}: {reason}."
        )


def _lacking(
    needs: frozenset[str], adapter: DistributionAdapter, has_density: bool
) -> str | None:
    if unknown := needs - _GIVEN:
        return f"a FlowModel gives no {', '.join(sorted(unknown))}"
    if "log_prob" in needs and not has_density:
        return "it has no log-density"
    kind = flow_of(adapter.distribution).reparameterization_type
    if "samples" in needs and kind != tfd.FULLY_REPARAMETERIZED:
        return (
            "its samples have no gradient, for it is not reparameterized; take a base "
            "that is, such as distributions.GaussianMixture(D, num_components=1)"
        )
    if needs & {"layer_inputs", "layer_passages"} and adapter.bijector is None:
        return "it is no transformed distribution and has no layers"
    if "conditionals" in needs and (reason := _mixes_blocks(adapter)):
        return reason
    if "velocity" in needs and len(adapter.layers_with("velocity")) > 1:
        return "more than one of its layers has a velocity"
    for name in ("path", "velocity"):
        if name in needs and not adapter.layers_with(name):
            return f"none of its layers is continuous, with a {name}"
    return None


def _mixes_blocks(adapter: DistributionAdapter) -> str | None:
    """Why noise of a block would be seen by another one, if it would."""
    if hasattr(flow_of(adapter.distribution), "conditionals"):
        return None
    found = adapter.layers_with("conditionals")
    if not found:
        return "none of its layers is a SemiAutoregressive"
    if _in_order(adapter.checked_bijector())[-1] is not found[-1]:
        return "its SemiAutoregressive layer must be the last before the base"
    kinds = (tfd.Independent.__bases__[0], tfd.Sample, tfd.MultivariateNormalDiag)
    if not isinstance(adapter.base, kinds):
        return "the base must be of independent numbers, such as tfd.Sample"
    return None


def _in_order(bijector: tfb.Bijector) -> list[tfb.Bijector]:
    """The leaves of a flow as data passes them."""
    found: list[tfb.Bijector] = []

    def visit(leaf: tfb.Bijector, x: Any, inverse: bool, own: Any) -> Any:
        found.append(leaf)
        return x

    if not _has_levels(bijector):
        walk(bijector, tf.zeros([]), visit, {}, inverse=True)
    return found or leaves(bijector)


def _has_levels(bijector: tfb.Bijector) -> bool:
    inner = inverted(bijector)
    if inner is not None:
        return _has_levels(inner)
    return hasattr(bijector, "levels") or any(map(_has_levels, parts(bijector)))


def _first(value: tf.Tensor, limit: int | None) -> tf.Tensor:
    return value if value.shape.rank == 0 or limit is None else value[:limit]
