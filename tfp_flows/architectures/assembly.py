"""What the architectures share: from layers to a distribution."""

import math
from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

from tfp_flows.bijectors import Logit, Standardize, Whiten
from tfp_flows.distributions import Dequantized, GaussianMixture
from tfp_flows.ops import Affine, ElementwiseTransform, RationalQuadratic

__all__ = [
    "check_sizes",
    "checked_base",
    "elementwise_transform",
    "flat_input",
    "flatten",
    "flow",
    "image_density",
    "mixture_base",
    "preprocessing",
    "standard_normal",
    "table_density",
]

# Full covariances grow as D²; beyond this size one component has too many numbers.
_MAX_MIXTURE_SIZE = 128


def check_sizes(**sizes: int) -> None:
    """Refuses a size below one."""
    if min(sizes.values()) < 1:
        raise ValueError(
            f"{' and '.join(sizes)} must be at least 1, received "
            f"{' and '.join(map(str, sizes.values()))}."
        )


def flow(
    base: tfd.Distribution, layers: Sequence[tfb.Bijector], name: str
) -> tfd.TransformedDistribution:
    """Returns the distribution whose data the layers, data first, carry to `base`."""
    chain = tfb.Chain(list(reversed(layers)), name=f"{name}_layers")
    return tfd.TransformedDistribution(base, tfb.Invert(chain), name=name)


def checked_base(base: tfd.Distribution, event_size: int) -> tfd.Distribution:
    """Returns a base after checking what it is a distribution over.

    Raises:
        ValueError: its events are not [event_size].
    """
    shape = base.event_shape
    if shape.is_fully_defined() and shape != [event_size]:
        raise ValueError(
            f"base: expected a distribution over events of shape [{event_size}], "
            f"received {base.name!r} of event shape {list(shape)} and batch shape "
            f"{base.batch_shape}. Columns in the batch shape become an event by "
            "tfd.Independent(base, 1)."
        )
    return base


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


def preprocessing(
    event_size: int, dtype: Any, *, whiten: bool = True
) -> list[tfb.Bijector]:
    """Raw columns to white or to standard ones, set from data by `FlowModel.adapt`."""
    return [(Whiten if whiten else Standardize)(event_size, dtype=dtype)]


def flat_input(
    event_shape: int | Sequence[int], num_values: int | None, dtype: Any
) -> tuple[list[tfb.Bijector], int]:
    """The first layers of a flow over vectors, for rows or images, and their size."""
    shape = [event_shape] if isinstance(event_shape, int) else event_shape
    size = math.prod(shape)
    if len(shape) > 1:
        return [flatten(shape)], size
    return [] if num_values is not None else preprocessing(size, dtype), size


def flatten(event_shape: Sequence[int]) -> tfb.Bijector:
    """[H, W, C] → [H · W · C]."""
    return tfb.Reshape([math.prod(event_shape)], list(event_shape), name="flatten")


def table_density(
    base: tfd.Distribution | None,
    layers: Sequence[tfb.Bijector],
    event_size: int,
    dtype: Any,
    name: str,
) -> tfd.TransformedDistribution:
    """The flow to a base that was given, or to `mixture_base`."""
    base = mixture_base(event_size, dtype) if base is None else base
    return flow(checked_base(base, event_size), layers, name)


def image_density(
    base: tfd.Distribution | None,
    layers: Sequence[tfb.Bijector],
    event_size: int,
    num_values: int | None,
    logit_margin: float,
    dtype: Any,
    name: str,
) -> tfd.Distribution:
    """The flow to a base that was given, or to N(0, I).

    For whole numbers 0 … num_values − 1 it is dequantized, and begins with a logit.
    """
    base = standard_normal(event_size, dtype) if base is None else base
    base = checked_base(base, event_size)
    if num_values is None:
        return flow(base, layers, name)
    logit = Logit(0.0, float(num_values), margin=logit_margin, dtype=dtype)
    density = flow(base, [logit, *layers], name)
    return Dequantized(density, low=0.0, high=num_values - 1.0, name=name)
