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
    "checked_base",
    "elementwise_transform",
    "flat_input",
    "flatten",
    "flow",
    "image_density",
    "mixture_base",
    "pixel_logit",
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
    event_shape: int | Sequence[int],
    num_values: int | None,
    logit_margin: float,
    dtype: Any,
) -> tuple[list[tfb.Bijector], int]:
    """The first layers of a flow over vectors, for rows or images, and their size."""
    if isinstance(event_shape, int) or len(event_shape) == 1:
        size = event_shape if isinstance(event_shape, int) else event_shape[0]
        layers = [] if num_values is not None else preprocessing(size, dtype)
    else:
        size, layers = math.prod(event_shape), [flatten(event_shape)]
    if num_values is not None:
        layers.insert(0, pixel_logit(num_values, logit_margin, dtype))
    return layers, size


def flatten(event_shape: Sequence[int]) -> tfb.Bijector:
    """[H, W, C] → [H · W · C]."""
    return tfb.Reshape([math.prod(event_shape)], list(event_shape), name="flatten")


def pixel_logit(num_values: int, margin: float, dtype: Any) -> Logit:
    """Whole numbers 0 … num_values − 1, with noise, to the line."""
    return Logit(0.0, float(num_values), margin=margin, dtype=dtype)


def image_density(
    base: tfd.Distribution,
    layers: Sequence[tfb.Bijector],
    num_values: int | None,
    name: str,
) -> tfd.Distribution:
    """The flow; dequantized for whole numbers 0 … num_values − 1."""
    density = flow(base, layers, name)
    if num_values is None:
        return density
    return Dequantized(density, low=0.0, high=num_values - 1.0, name=name)
