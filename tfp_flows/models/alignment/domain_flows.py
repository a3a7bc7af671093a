"""Flows of several domains over one latent space, without how they train."""

import abc
import itertools
from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

from tfp_flows.models.alignment.domains import check_flows
from tfp_flows.models.bridge.keras_contract import KerasContract, warn_of_policy
from tfp_flows.models.bridge.seeds import SeedSequence
from tfp_flows.models.bridge.serving import export_endpoints
from tfp_flows.models.bridge.tracking import check_distinct, keras_layers
from tfp_flows.models.flow_model import FlowModel

__all__ = ["DomainFlows", "Rows"]

Rows = dict[str, tf.Tensor]


class DomainFlows(KerasContract, abc.ABC):
    """Encodes, decodes, translates, samples and exports; training is a subclass's.

    Args:
        flows: domain → a transformed distribution.
        name: name of the model.

    Raises:
        TypeError, ValueError: flows that do not fit each other.
    """

    def __init__(self, flows: Mapping[str, tfd.Distribution], *, name: str) -> None:
        adapters = check_flows(flows)
        first = next(iter(adapters.values()))
        warn_of_policy([layer for one in flows.values() for layer in keras_layers(one)])
        super().__init__(name=name, dtype=first.dtype.name)
        self._adapters = adapters
        self.domains = tuple(flows)
        self.event_shape = first.event_shape
        self.context_size = first.context_size
        self.base = first.distribution.distribution
        self.flow_models = [
            FlowModel(flow, name=f"flow_{i}") for i, flow in enumerate(flows.values())
        ]
        check_distinct(self.flow_models, self.base.variables)
        self.seeds = SeedSequence()
        self.built = True

    @property
    def directions(self) -> list[tuple[str, str]]:
        """Every domain with every other one, as source and target."""
        return list(itertools.permutations(self.domains, 2))

    def log_prob(self, x: Any, domain: str, context: Any = None) -> tf.Tensor:
        """Returns log p_d(x), nats, [batch...]; context as in `translate`."""
        return self.flow(domain).log_prob(x, context)

    def encode(self, x: Any, domain: str, context: Any = None) -> tf.Tensor:
        """Returns z = f_d(x), [batch..., base event...]."""
        return self.flow(domain).inverse(x, context)

    def decode(self, z: Any, domain: str, context: Any = None) -> tf.Tensor:
        """Returns f_d⁻¹(z), [batch..., event...]."""
        return self.flow(domain).forward(z, context)

    def translate(
        self, x: Any, source: str, target: str, context: Any = None
    ) -> tf.Tensor:
        """Returns the rows of `source` as rows of `target`, [batch..., event...].

        Nothing is drawn: the same row becomes the same row, in whatever batch.

        Args:
            x: [batch..., event...].
            source: the domain that x is from.
            target: where to.
            context: [batch..., C], which rows keep, where flows have one.
        """
        flow = self.flow(target)
        return flow.forward(self.encode(x, source, context), context)

    def sample(self, n: int, seed: Any = None, context: Any = None) -> Rows:
        """Returns n rows of each domain, of the same n draws of z.

        Args:
            n: their number.
            seed: as for `FlowModel.sample`.
            context: [n, C], of each draw.
        """
        adapter = self._adapters[self.domains[0]]
        z = adapter.sample_base(n, self.seeds.stateless(seed), adapter.cast(context))
        return {domain: self.decode(z, domain, context) for domain in self.domains}

    def interpolate(
        self, x: Any, domain: str, other: Any, other_domain: str, n: int
    ) -> Rows:
        """Returns n steps from row to row by way of z, in each domain.

        On the great circle, z_t = sin((1 − t) ω) / sin ω z + sin(t ω) / sin ω z′ with
        the angle ω between them: for a normal base a straight line would pass nearer to
        its mean than its draws do.

        Args:
            x: [N, event...], rows of `domain`.
            domain: where x is from.
            other: [N, event...], rows of `other_domain`.
            other_domain: where these are from.
            n: steps, both ends included.

        Returns:
            domain → [n, N, event...].
        """
        # Of a shared density that is a flow the normal base is one step further.
        inner = getattr(self.base, "bijector", tfb.Identity())
        ends = self.encode(x, domain), self.encode(other, other_domain)
        first, last = map(inner.inverse, ends)
        z = inner.forward(_great_circle(first, last, n))
        return {name: self.decode(z, name) for name in self.domains}

    def call(self, inputs: Any, training: bool = False) -> Rows:
        """Returns the log-density of each domain's rows."""
        given = {n: x if isinstance(x, tuple) else (x,) for n, x in inputs.items()}
        return {name: self.flow(name).log_prob(*one) for name, one in given.items()}

    def flow(self, domain: str) -> FlowModel:
        """Returns the model of one domain."""
        if domain not in self.domains:
            raise ValueError(
                f"There is no domain {domain!r}: expected one of "
                f"{', '.join(map(repr, self.domains))}."
            )
        return self.flow_models[self.domains.index(domain)]

    def build(self, input_shape: Any = None) -> None:
        """Does nothing: all parts are complete when the model is constructed."""

    # Serving.

    def export(self, filepath: str, **kwargs: Any) -> None:
        """Writes a SavedModel that answers without this package and without critics.

        Endpoints, for all domains a and b:

            translate_a_b(x), encode_a(x), decode_a(z), log_prob_a(x)
            sample(n, seed)    rows by domain, of the same draws of z

        With a context [N, C] as last argument, where flows have one.

        Args:
            filepath: directory to write.
            **kwargs: as for `FlowModel.export`.
        """
        served = keras.layers.Layer(name=self.name)
        served.flow_models, served.built = self.flow_models, True
        export_endpoints(served, filepath, self.endpoints(), **kwargs)

    def endpoints(self) -> dict[str, Any]:
        """Returns what `export` serves: name → (function, signature)."""
        dtype = self.base.dtype
        x = tf.TensorSpec([None, *self.event_shape], dtype, name="x")
        z = tf.TensorSpec([None, *self.base.event_shape], dtype, name="z")
        draws = [
            tf.TensorSpec([], tf.int32, name="n"),
            tf.TensorSpec([2], tf.int32, name="seed"),
        ]
        given = []
        if self.context_size is not None:
            shape = [None, self.context_size]
            given.append(tf.TensorSpec(shape, dtype, name="context"))
        endpoints: dict[str, Any] = {"sample": (self.sample, [*draws, *given])}
        for a in self.domains:
            flow = self.flow(a)
            endpoints[f"encode_{a}"] = (flow.inverse, [x, *given])
            endpoints[f"decode_{a}"] = (flow.forward, [z, *given])
            endpoints[f"log_prob_{a}"] = (flow.log_prob, [x, *given])
        for a, b in self.directions:

            def translate(
                x: tf.Tensor, context: Any = None, a: str = a, b: str = b
            ) -> tf.Tensor:
                return self.translate(x, a, b, context)

            endpoints[f"translate_{a}_{b}"] = (translate, [x, *given])
        return endpoints


def _great_circle(z: tf.Tensor, other: tf.Tensor, n: int) -> tf.Tensor:
    """[n, N, base event...], from z to the other."""

    def inner(one: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(one * other, list(range(1, z.shape.rank)), keepdims=True)

    lengths = tf.sqrt(inner(z, z) * inner(other, other))
    cosine = inner(z, other) / tf.maximum(lengths, 1e-12)
    # Straight where the angle vanishes, or leaves no circle to choose.
    angle = tf.acos(tf.clip_by_value(cosine, -1 + 1e-6, 1 - 1e-6))
    t = tf.reshape(tf.linspace(tf.zeros([], z.dtype), 1.0, n), [n] + [1] * z.shape.rank)
    first, last = tf.sin((1 - t) * angle), tf.sin(t * angle)
    return (first * z + last * other) / tf.sin(angle)
