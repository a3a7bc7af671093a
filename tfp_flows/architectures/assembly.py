"""What the architectures share: from layers to a distribution."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

from tfp_flows.bijectors import Whiten
from tfp_flows.distributions import GaussianMixture
from tfp_flows.ops import Affine, ElementwiseTransform, RationalQuadratic

__all__ = [
    "elementwise_transform",
    "flow",
    "mixture_base",
    "preprocessing",
    "standard_normal",
]

# Full covariances grow as D²; beyond this size one component has too many numbers.
_MAX_MIXTURE_SIZE = 128


def flow(
    base: tfd.Distribution, layers: Sequence[tfb.Bijector], name: str
) -> tfd.TransformedDistribution:
    """Returns the distribution whose data the layers, data first, carry to `base`."""
    chain = tfb.Chain(list(reversed(layers)), name=f"{name}_layers")
    return tfd.TransformedDistribution(base, tfb.Invert(chain), name=name)


def standard_normal(event_size: int, dtype: Any) -> tfd.Distribution:
    """N(0, I) over [event_size]."""
    zeros = tf.zeros([event_size], dtype)
    return tfd.Independent(tfd.Normal(zeros, tf.ones_like(zeros)), 1)


def mixture_base(event_size: int, dtype: Any) -> tfd.Distribution:
    """The default base of tables: a Gaussian mixture, N(0, I) beyond 128 columns."""
    if event_size > _MAX_MIXTURE_SIZE:
        return standard_normal(event_size, dtype)
    return GaussianMixture(event_size, dtype=dtype)


def elementwise_transform(transform: str | ElementwiseTransform) -> Any:
    """Returns the transform named "affine" or "spline", or the one passed."""
    if isinstance(transform, str):
        named = {"affine": Affine, "spline": RationalQuadratic}
        if transform not in named:
            raise ValueError(
                f'transform must be "affine", "spline" or an ElementwiseTransform, '
                f"received {transform!r}."
            )
        return named[transform]()
    return transform


def preprocessing(event_size: int, dtype: Any) -> list[tfb.Bijector]:
    """Raw columns to white ones, set from data by `FlowModel.adapt`."""
    return [Whiten(event_size, dtype=dtype)]
