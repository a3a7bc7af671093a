"""What an autoencoder accepts, checked before anything is trained."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

from tfp_flows.bijectors import conditional_bijectors
from tfp_flows.models.bridge.fitness import check_rows, check_stream, checked_stream
from tfp_flows.models.bridge.inputs import as_arrays, is_array, some_rows
from tfp_flows.models.variational.posteriors import (
    BoostedPosterior,
    FlowPosterior,
    GaussianPosterior,
    component_distribution,
)

__all__ = [
    "check_decoder",
    "check_flows",
    "check_inverses",
    "check_kinds",
    "checked_data",
    "context_size_of",
    "dtype_of",
    "event_shape_of",
    "latent_size_of",
]

# Largest error of a round trip, relative to 1 + |z|, that is rounding and no mistake.
_ROUND_TRIP = 1e-3
_PROBES = 32


def check_kinds(encoder: Any, decoder: Any, posterior: Any) -> None:
    """Refuses what is no layer or no posterior."""
    for name, network in (("encoder", encoder), ("decoder", decoder)):
        if not isinstance(network, keras.layers.Layer):
            raise TypeError(
                f"{name} must be a Keras layer or model, received "
                f"{type(network).__name__}."
            )
    kinds = (GaussianPosterior, FlowPosterior, BoostedPosterior)
    if not isinstance(posterior, kinds):
        raise TypeError(
            "posterior must be a GaussianPosterior, FlowPosterior or "
            f"BoostedPosterior, received {type(posterior).__name__}."
        )


def event_shape_of(
    encoder: keras.layers.Layer, event_shape: Sequence[int] | None
) -> tuple[int, ...]:
    """The shape of one x, from the argument or the encoder's input."""
    if event_shape is None:
        event_shape = getattr(encoder, "input_shape", (None,))[1:]
    if not event_shape or None in event_shape:
        raise ValueError(
            "The shape of one x is not known: give the encoder a keras.Input of fixed "
            f"shape, or pass event_shape. Received {event_shape}."
        )
    return tuple(int(size) for size in event_shape)


def context_size_of(bijectors: Sequence[tfb.Bijector | None]) -> int:
    """C, the numbers that the flows condition on; 0 for none."""
    sizes = {
        part.context_size
        for bijector in bijectors
        if bijector is not None
        for part in conditional_bijectors(bijector)
    }
    if len(sizes) > 1:
        raise ValueError(
            "All conditional parts of a posterior see the same context, received "
            f"context sizes {sorted(sizes)}."
        )
    return sizes.pop() if sizes else 0


def latent_size_of(
    encoder: keras.layers.Layer, event_shape: tuple[int, ...], context_size: int
) -> int:
    """d, from the encoder's output of 2d + C numbers."""
    shape = _output(encoder, event_shape, "encoder").shape
    room = (shape[-1] or 0) - context_size
    if len(shape) != 2 or room < 2 or room % 2:
        raise ValueError(
            f"encoder must return [N, 2 d + {context_size}]: location and raw scale of "
            f"z, and {context_size} numbers of context for the posterior; received "
            f"output shape {shape}."
        )
    return room // 2


def check_decoder(
    decoder: keras.layers.Layer,
    latent_size: int,
    event_shape: tuple[int, ...],
    likelihood: Any,
) -> None:
    """Refuses a decoder whose input or output has a wrong size."""
    known = getattr(decoder, "input_shape", None)
    if known is not None and tuple(known)[1:] != (latent_size,):
        raise ValueError(
            f"decoder must take [N, {latent_size}], what the encoder's output leaves "
            f"for z; received input shape {known}."
        )
    shape = _output(decoder, (latent_size,), "decoder").shape
    size = likelihood.parameters_per_value * math.prod(event_shape)
    if math.prod(axis or 0 for axis in shape[1:]) != size:
        raise ValueError(
            f"decoder must return {size} numbers a row, "
            f"{likelihood.parameters_per_value} for each value of x of shape "
            f"{event_shape}, for {type(likelihood).__name__}; received output shape "
            f"{shape}."
        )


def dtype_of(encoder: keras.layers.Layer, event_shape: tuple[int, ...]) -> tf.DType:
    """The dtype that the encoder returns, which is that of z and of densities."""
    return tf.as_dtype(_output(encoder, event_shape, "encoder").dtype)


def _output(
    network: keras.layers.Layer, shape: tuple[int, ...], name: str
) -> keras.KerasTensor:
    """Builds the network if it is not, and returns its output in symbols."""
    inputs = getattr(network, "inputs", None)
    dtype = inputs[0].dtype if inputs else network.compute_dtype
    output = network(keras.Input(shape, dtype=dtype))
    if not isinstance(output, keras.KerasTensor):
        raise TypeError(
            f"{name} must return one tensor, received {type(output).__name__}. Join "
            "its parts with keras.layers.Concatenate."
        )
    return output


def check_flows(
    posterior: Any, latent_size: int, context_size: int, dtype: tf.DType
) -> None:
    """Refuses flows of another size than z, and components without an inverse."""
    rng = np.random.default_rng(0)
    z0 = tf.constant(rng.normal(size=[_PROBES, latent_size]), dtype)
    context = tf.constant(rng.normal(size=[_PROBES, context_size]), dtype)
    base = tfd.MultivariateNormalDiag(tf.zeros_like(z0), tf.ones_like(z0))
    for index, bijector in enumerate(posterior.bijectors):
        if bijector is None:
            continue
        component = component_distribution(bijector, base, context)
        try:
            shape = tuple(component.bijector.forward(z0).shape)
        except (ValueError, TypeError, tf.errors.InvalidArgumentError) as error:
            raise ValueError(
                f"Flow {index} of the posterior, {bijector.name!r}, does not map "
                f"vectors of {latent_size} features and dtype {dtype.name}, which the "
                f"encoder's output leaves for z: {error}"
            ) from error
        if shape != tuple(z0.shape):
            raise ValueError(
                f"Flow {index} of the posterior, {bijector.name!r}, must keep the size "
                f"{latent_size}; it maps [N, {latent_size}] to {shape}."
            )
        if isinstance(posterior, BoostedPosterior):
            check_inverses(component.bijector, z0, index, bijector)


def check_inverses(
    conditioned: tfb.Bijector, z0: tf.Tensor, index: int, bijector: tfb.Bijector
) -> None:
    """Refuses a component of a mixture whose inverse is missing or wrong.

    Args:
        conditioned: the component's map at a fixed context.
        z0: points of the base, [N, d].
        index: which component.
        bijector: the map as it was given, for the message.
    """
    what = f"Component {index}, {type(bijector).__name__} {bijector.name!r},"
    why = (
        "Boosting evaluates each component at draws of the others, so each needs its "
        "inverse. Couplings and autoregressive layers have one, planar and radial "
        "flows do not: use these in a FlowPosterior."
    )
    try:
        # New tensors: from its cache TFP would return z0 itself.
        z = tf.identity(conditioned.forward(tf.identity(z0)))
        back = conditioned.inverse(z)
        log_dets = conditioned.inverse_log_det_jacobian(tf.identity(z), 1)
    except NotImplementedError as error:
        raise ValueError(f"{what} has no inverse. {why}") from error
    distance = np.max(np.abs(back - z0) / (1 + np.abs(z0)))
    if not distance < _ROUND_TRIP or not np.all(np.isfinite(log_dets)):
        raise ValueError(
            f"{what} does not return from z to z0: relative error {distance:.2g}, "
            f"tolerance {_ROUND_TRIP:g}. {why}"
        )


def checked_data(
    x: Any, event_shape: tuple[int, ...], likelihood: Any, dtype: tf.DType
) -> Any:
    """Returns x as an array or data set, after checking what can be read of it.

    Raises:
        TypeError: neither an array nor a `tf.data.Dataset`.
        ValueError: wrong shape, values outside of the likelihood's support, NaN.
    """
    x = as_arrays(x)
    is_dataset = isinstance(x, tf.data.Dataset)
    if not is_dataset and (isinstance(x, tuple) or not is_array(x)):
        raise TypeError(
            "x must be an array or a tf.data.Dataset of x, received "
            f"{type(x).__name__}."
        )
    rows = x
    if is_dataset:
        check_stream(x, (event_shape,))
        rows = some_rows(x, 256)
        rows = rows[0] if isinstance(rows, tuple) else rows
    # Of a data set the first rows: it may not fit into memory.
    rows = np.asarray(rows)
    check_rows(rows, event_shape, "x", dtype)
    likelihood.check(rows)
    return checked_stream(x, dtype) if is_dataset else rows.astype(dtype.as_numpy_dtype)
