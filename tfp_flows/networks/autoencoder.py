"""Ready networks of a variational autoencoder."""

import math
from collections.abc import Sequence

import keras

__all__ = ["dense_decoder", "dense_encoder"]

# Two layers with these activations, in both directions: the released code's "linear".
_ACTIVATIONS = ("relu", "softplus")


def dense_encoder(
    event_shape: int | Sequence[int],
    latent_size: int,
    *,
    context_size: int = 0,
    hidden_sizes: Sequence[int] = (256, 256),
    seed: int | None = None,
    dtype: str = "float32",
    name: str = "dense_encoder",
) -> keras.Sequential:
    """Returns x → (location, raw scale, context), [N, 2 · latent_size + context_size].

    Args:
        event_shape: shape of one x; a whole number D means (D,).
        latent_size: size of z.
        context_size: numbers for a posterior flow that depends on x.
        hidden_sizes: widths, by default two layers of 256.
        seed: makes the initial weights reproducible.
        dtype: dtype of the weights.
        name: name of the network.

    Example:
        >>> dense_encoder((8, 8), 4, hidden_sizes=[16]).output_shape
        (None, 8)
    """
    shape = (event_shape,) if isinstance(event_shape, int) else tuple(event_shape)
    _check(latent_size=latent_size, **{f"axis {i}": n for i, n in enumerate(shape)})
    layers = [keras.layers.Flatten(dtype=dtype)]
    layers += _dense([*hidden_sizes, 2 * latent_size + context_size], seed, dtype)
    return keras.Sequential([keras.Input(shape, dtype=dtype), *layers], name=name)


def dense_decoder(
    latent_size: int,
    event_shape: int | Sequence[int],
    *,
    parameters_per_value: int = 1,
    hidden_sizes: Sequence[int] = (256, 256),
    seed: int | None = None,
    dtype: str = "float32",
    name: str = "dense_decoder",
) -> keras.Sequential:
    """Returns z → parameters of p(x|z), [N, parameters_per_value · size of x].

    Args:
        latent_size: size of z.
        event_shape: shape of one x; a whole number D means (D,).
        parameters_per_value: of the likelihood: 1 for "bernoulli" and "normal", 2 for
            "discretized_logistic".
        hidden_sizes: widths, by default two layers of 256.
        seed: makes the initial weights reproducible.
        dtype: dtype of the weights.
        name: name of the network.

    Example:
        >>> dense_decoder(4, (8, 8), hidden_sizes=[16]).output_shape
        (None, 64)
    """
    shape = (event_shape,) if isinstance(event_shape, int) else tuple(event_shape)
    _check(latent_size=latent_size, parameters_per_value=parameters_per_value)
    outputs = parameters_per_value * math.prod(shape)
    layers = _dense([*hidden_sizes, outputs], seed, dtype)
    return keras.Sequential(
        [keras.Input((latent_size,), dtype=dtype), *layers], name=name
    )


def _dense(
    sizes: Sequence[int], seed: int | None, dtype: str
) -> list[keras.layers.Layer]:
    """Layers of these sizes; the last one is linear."""
    last = len(sizes) - 1
    return [
        keras.layers.Dense(
            size,
            activation=None if i == last else _ACTIVATIONS[min(i, 1)],
            kernel_initializer=keras.initializers.GlorotUniform(
                seed=None if seed is None else seed + i
            ),
            dtype=dtype,
        )
        for i, size in enumerate(sizes)
    ]


def _check(**sizes: int) -> None:
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name} must be at least 1, received {size}.")
