"""Continuous flows for images, at several scales."""

import itertools
import math
from collections.abc import Sequence
from typing import Any

from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

from tfp_flows.architectures import assembly
from tfp_flows.bijectors import (
    ActNorm,
    Continuous,
    Divergence,
    ExactDivergence,
    HutchinsonDivergence,
    MultiScale,
    Squeeze,
)
from tfp_flows.networks import VelocityConvNet
from tfp_flows.ode import AdaptiveSteps, Solver

__all__ = ["multiscale_continuous_flow"]


def multiscale_continuous_flow(
    event_shape: Sequence[int],
    *,
    num_values: int | None = None,
    num_levels: int = 2,
    layers_per_level: int = 1,
    hidden_sizes: Sequence[int] = (32, 32),
    end_time: float = 1.0,
    solver: Solver = Solver(steps=AdaptiveSteps(1e-4, 1e-4)),  # noqa: B008
    training_solver: Solver | None = None,
    divergence: Divergence = ExactDivergence(chunk_size=16),  # noqa: B008
    training_divergence: Divergence = HutchinsonDivergence(),  # noqa: B008
    context_size: int | None = None,
    base: tfd.Distribution | None = None,
    logit_margin: float = 0.05,
    activation: str = "softplus",
    seed: int | None = None,
    dtype: Any = "float32",
    name: str = "multiscale_continuous_flow",
) -> tfd.Distribution:
    """Returns a flow of images that follows velocities, over raw pixels.

        logit → [squeeze → ActNorm → K × continuous] × L → base

    where after every level but the last half of the channels leave. Training takes
    one random probe for the divergence, densities the exact one, one pass backward a
    pixel: for images of some hundred pixels.

    Args:
        event_shape: (H, W, C); H and W multiples of 2^num_levels.
        num_values: pixels are whole numbers 0 … num_values − 1; the result is then a
            `Dequantized` distribution. None: real numbers.
        num_levels: L.
        layers_per_level: K.
        hidden_sizes: channels of each hidden layer of a velocity.
        end_time: T of each layer.
        solver: of densities and samples.
        training_solver: of a step of training; default `solver`, with steps that the
            rows share.
        divergence: of densities: exact; with `HutchinsonDivergence` a density needs a
            seed.
        training_divergence: that of a step of training.
        context_size: features of a context, None without one.
        base: distribution over [H · W · C]; default N(0, I).
        logit_margin: margin of the logit for whole-number pixels.
        activation: a smooth Keras activation.
        seed: makes the initial weights reproducible.
        dtype: dtype of event and weights.
        name: name of the distribution.

    Example:
        >>> multiscale_continuous_flow((8, 8, 1), num_values=17).event_shape
        TensorShape([8, 8, 1])

    Reference: Grathwohl et al. (2019), "FFJORD", arXiv:1810.01367, section 4.2.
    """
    assembly.check_sizes(num_levels=num_levels, layers_per_level=layers_per_level)
    networks: dict[str, Any] = {
        "hidden_sizes": hidden_sizes,
        "context_size": context_size,
        "activation": activation,
        "dtype": dtype,
    }
    solves: dict[str, Any] = {
        "end_time": end_time,
        "solver": solver,
        "training_solver": training_solver,
        "divergence": divergence,
        "training_divergence": training_divergence,
    }
    seeds = itertools.repeat(None) if seed is None else itertools.count(seed, 1000)
    shape, levels = tuple(event_shape), []
    for index in range(num_levels):
        squeeze = Squeeze(shape, dtype=dtype, name=f"squeeze_{index}")
        height, width, channels = squeeze.output_shape
        parts: list[tfb.Bijector] = [
            squeeze,
            ActNorm(channels, dtype=dtype, name=f"act_norm_{index}"),
        ]
        for layer in range(layers_per_level):
            label, options = f"{index}_{layer}", {"seed": next(seeds), **networks}
            shape = squeeze.output_shape
            velocity = VelocityConvNet(shape, name=f"velocity_{label}", **options)
            parts.append(Continuous(velocity, name=f"continuous_{label}", **solves))
        levels.append(tfb.Chain(list(reversed(parts)), name=f"level_{index}"))
        shape = (height, width, channels // 2)
    layers = [MultiScale(event_shape, levels, dtype=dtype)]
    size = math.prod(event_shape)
    return assembly.image_density(
        base, layers, size, num_values, logit_margin, dtype, name
    )
