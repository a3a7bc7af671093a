"""Families of q(z|x): a Gaussian, a flow, and a boosted mixture of flows.

    q(z|x) = Σⱼ wⱼ gⱼ(z|x),  gⱼ(·|x) = fⱼ # N(loc(x), diag scale(x)²)

where loc, scale and the context of amortized flows are the encoder's output.
"""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

from tfp_flows.bijectors import nested_arguments
from tfp_flows.distributions import BoostedMixture
from tfp_flows.models.bridge.adapter import DistributionAdapter, LeafArguments
from tfp_flows.models.bridge.serialization import deserialize, serialize

__all__ = [
    "BoostedPosterior",
    "FlowPosterior",
    "GaussianPosterior",
    "component_distribution",
    "mixture_of",
]


@keras.saving.register_keras_serializable(package="tfp_flows")
class GaussianPosterior:
    """q(z|x) = N(loc(x), diag scale(x)²), both from the encoder."""

    bijectors: tuple[tfb.Bijector | None, ...] = (None,)

    def get_config(self) -> dict[str, Any]:
        """Nothing: it has no arguments."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "GaussianPosterior":
        """Rebuilds the posterior."""
        return cls(**config)


@keras.saving.register_keras_serializable(package="tfp_flows")
class FlowPosterior:
    """q(z|x): z = f(z0), z0 ~ N(loc(x), diag scale(x)²).

    Its inverse is never needed: an autoregressive layer whose forward map is parallel
    is fast here, and maps without an inverse, such as planar ones, are welcome.

    Args:
        bijector: f, its `forward` maps z0 → z: any bijector over vectors of TFP or of
            this package. Parts with a `context_size` get the encoder's context.

    Raises:
        TypeError: no bijector.

    Reference: Rezende and Mohamed (2015), "Variational Inference with Normalizing
    Flows", arXiv:1505.05770.
    """

    def __init__(self, bijector: tfb.Bijector) -> None:
        _check_bijector(bijector, "bijector")
        self.bijectors: tuple[tfb.Bijector | None, ...] = (bijector,)

    def get_config(self) -> dict[str, Any]:
        """The bijector as data."""
        return {"bijector": serialize(self.bijectors[0])}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "FlowPosterior":
        """Rebuilds the posterior; weights are loaded by Keras."""
        return cls(deserialize(config["bijector"]))


@keras.saving.register_keras_serializable(package="tfp_flows")
class BoostedPosterior:
    """q(z|x) = Σⱼ wⱼ gⱼ(z|x), flows that are trained one after another.

    Every component needs its inverse, because log q(z|x) evaluates all of them at a z
    that one of them made: planar and radial flows cannot be boosted. The model checks
    this by a round trip when it is constructed.

    On MNIST-5k, at equal steps, three components gain 0.8 nats of bound on a Gaussian
    and lose 1.4 to one of them alone (`examples/README.md`): try a `FlowPosterior`
    first.

    Args:
        component: index → a fresh bijector fⱼ, `forward` maps z0 → z; or a sequence
            of bijectors. Components may be of different families.
        num_components: C ≥ 1; may be left out with a sequence.
        entropy_weight: λ > 0 of `objectives.boosted_negative_elbo`.
        log_floor: floor of log G there, nats.
        weights: after each stage, "fitted" by `objectives.fit_posterior_weights`, or
            "uniform".

    Raises:
        TypeError: a component is no bijector.
        ValueError: fewer than one component, the same object twice, a bad option.

    Example:
        >>> from tfp_flows.bijectors import Coupling
        >>> posterior = BoostedPosterior(lambda j: Coupling(4, flip=j % 2 == 1), 3)
        >>> len(posterior.bijectors)
        3

    Reference: Giaquinto and Banerjee (2020), "Gradient Boosted Normalizing Flows",
    arXiv:2002.11896.
    """

    def __init__(
        self,
        component: Callable[[int], tfb.Bijector] | Sequence[tfb.Bijector],
        num_components: int | None = None,
        *,
        entropy_weight: float = 1.0,
        log_floor: float = -10.0,
        weights: str = "fitted",
    ) -> None:
        self.bijectors = _components(component, num_components)
        if not entropy_weight > 0:
            raise ValueError(f"entropy_weight must be > 0, received {entropy_weight}.")
        if weights not in ("fitted", "uniform"):
            raise ValueError(
                f'weights must be "fitted" or "uniform", received {weights!r}.'
            )
        self.entropy_weight = entropy_weight
        self.log_floor = log_floor
        self.weights = weights

    def get_config(self) -> dict[str, Any]:
        """The bijectors and options as data."""
        return {
            "component": serialize(list(self.bijectors)),
            "entropy_weight": self.entropy_weight,
            "log_floor": self.log_floor,
            "weights": self.weights,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "BoostedPosterior":
        """Rebuilds the posterior; weights are loaded by Keras."""
        return cls(**{**config, "component": deserialize(config["component"])})


def component_distribution(
    bijector: tfb.Bijector | None,
    base: tfd.Distribution,
    context: tf.Tensor | None,
    arguments: LeafArguments | None = None,
) -> tfd.Distribution:
    """Returns the image of `base` under a bijector that sees `context`.

    Args:
        bijector: None: `base` itself.
        base: batch shape [N].
        context: [N, C].
        arguments: what layers are told beside the context.
    """
    if bijector is None:
        return base
    of_leaf = DistributionAdapter.arguments_of
    nested = nested_arguments(bijector, lambda leaf: of_leaf(leaf, context, arguments))
    if nested:
        bijector = _Conditioned(bijector, nested)
    return tfd.TransformedDistribution(base, bijector)


def mixture_of(
    components: Sequence[tfd.Distribution], weights: tf.Tensor
) -> tfd.Distribution:
    """Returns Σⱼ wⱼ gⱼ; a single component as it is."""
    if len(components) == 1:
        return components[0]
    return BoostedMixture(components, logits=tf.math.log(weights))


class _Conditioned(tfb.Bijector):
    """A bijector with its arguments, such as a context: a plain bijector.

    Args:
        bijector: has parts that take arguments.
        arguments: nested, as the bijector takes them.
    """

    def __init__(self, bijector: tfb.Bijector, arguments: dict[str, Any]) -> None:
        self._inner = bijector
        self._arguments = arguments
        super().__init__(
            forward_min_event_ndims=bijector.forward_min_event_ndims,
            inverse_min_event_ndims=bijector.inverse_min_event_ndims,
            dtype=bijector.dtype,
            parameters={"bijector": bijector, "arguments": arguments},
            name=f"conditioned_{bijector.name}",
        )

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    @classmethod
    def _parameter_properties(cls, dtype: Any, num_classes: int | None = None) -> dict:
        return {}

    def _forward(self, x: tf.Tensor) -> tf.Tensor:
        return self._inner.forward(x, **self._arguments)

    def _inverse(self, y: tf.Tensor) -> tf.Tensor:
        return self._inner.inverse(y, **self._arguments)

    def _forward_log_det_jacobian(self, x: tf.Tensor) -> tf.Tensor:
        return self._inner.forward_log_det_jacobian(x, **self._arguments)

    def _inverse_log_det_jacobian(self, y: tf.Tensor) -> tf.Tensor:
        return self._inner.inverse_log_det_jacobian(y, **self._arguments)


def _components(component: Any, num_components: int | None) -> tuple[Any, ...]:
    if not callable(component):
        component = tuple(component)
        if num_components not in (None, len(component)):
            raise ValueError(
                f"num_components={num_components} but {len(component)} bijectors: "
                "leave num_components out with a sequence."
            )
        num_components, function = len(component), component.__getitem__
    else:
        function = component
    if num_components is None or num_components < 1:
        raise ValueError(
            f"num_components must be at least 1, received {num_components}."
        )
    bijectors = tuple(function(index) for index in range(num_components))
    for index, bijector in enumerate(bijectors):
        _check_bijector(bijector, f"component {index}")
        if any(bijector is earlier for earlier in bijectors[:index]):
            raise ValueError(
                f"component({index}) returned a bijector that an earlier call returned "
                "already: both would train as one. Build a fresh one at each call."
            )
    return bijectors


def _check_bijector(bijector: Any, what: str) -> None:
    if not isinstance(bijector, tfb.Bijector):
        raise TypeError(
            f"{what} must be a tfp.bijectors.Bijector, received "
            f"{type(bijector).__name__}."
        )
