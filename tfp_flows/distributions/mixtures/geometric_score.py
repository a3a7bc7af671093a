"""The geometric mean of components: a score, with its normalizer when asked for."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tfp_flows.distributions.mixtures.boosted_mixture import BoostedMixture

__all__ = ["GeometricNormalizer", "geometric_normalizer", "geometric_score"]

# Rows of one evaluation, which bounds the memory.
_CHUNK = 2**14


class GeometricNormalizer(NamedTuple):
    """log Γ with Γ = ∫ Πⱼ gⱼ(x)^wⱼ dx ≤ 1, and how it was found.

    Attributes:
        log_value: log Γ. The density is exp(score − log Γ).
        standard_error: of log Γ; 0 on a grid, whose error is that of the grid.
        effective_sample_size: of the importance sample, out of `num_points`.
        num_points: samples or grid points.
        method: "importance sampling" or "grid".
    """

    log_value: float
    standard_error: float
    effective_sample_size: float
    num_points: int
    method: str


def geometric_score(mixture: BoostedMixture, x: Any) -> tf.Tensor:
    """Returns Σⱼ wⱼ log gⱼ(x), [sample...]: a score that is no log-density.

    Its exponential integrates to Γ ≤ 1 (Hölder), often far below: as a likelihood it
    is too low by −log Γ, see `geometric_normalizer`. Components of weight zero do not
    count.

    Args:
        mixture: the components and weights.
        x: [sample..., event...].

    Reference: Giaquinto and Banerjee (2020), arXiv:2002.11896, multiplicative form.
    """
    weights = mixture.weights
    each = mixture.component_log_prob(x)
    return tf.reduce_sum(tf.math.multiply_no_nan(each, weights), axis=-1)


def geometric_normalizer(
    mixture: BoostedMixture,
    *,
    num_samples: int = 20_000,
    seed: Any = 0,
    bounds: Sequence[Sequence[float]] | None = None,
) -> GeometricNormalizer:
    """Estimates Γ = ∫ exp(score) dx.

    By importance sampling from the additive mixture, whose density is nowhere less
    than the geometric one, so that no importance weight exceeds one; or, with
    `bounds`, by a midpoint rule on a grid, for events [1] and [2].

    Args:
        mixture: the components and weights, batch shape ().
        num_samples: samples; on a grid the points of all axes together.
        seed: a whole number.
        bounds: (low, high) of each axis of the grid, which has to cover the support.

    Raises:
        ValueError: bounds for an event that is no vector of one or two numbers.
    """
    if bounds is not None:
        return _on_a_grid(mixture, num_samples, bounds)
    logs = []
    for index, start in enumerate(range(0, num_samples, _CHUNK)):
        x = mixture.sample(min(_CHUNK, num_samples - start), seed=[seed, index])
        logs.append((geometric_score(mixture, x) - mixture.log_prob(x)).numpy())
    ratios = np.exp(np.concatenate(logs).astype("float64"))
    mean = ratios.mean()
    error = ratios.std(ddof=1) / mean / math.sqrt(len(ratios))
    effective = ratios.sum() ** 2 / np.square(ratios).sum()
    return GeometricNormalizer(
        math.log(mean),
        float(error),
        float(effective),
        len(ratios),
        "importance sampling",
    )


def _on_a_grid(
    mixture: BoostedMixture, num_points: int, bounds: Sequence[Sequence[float]]
) -> GeometricNormalizer:
    shape = tuple(mixture.event_shape)
    if shape not in ((1,), (2,)) or len(bounds) != shape[0]:
        raise ValueError(
            "A grid is for events of shape [1] or [2] with one (low, high) an axis; "
            f"received event shape {shape} and {len(bounds)} bounds. Leave bounds out "
            "for importance sampling."
        )
    count = max(2, round(num_points ** (1 / len(bounds))))
    axes, cell = [], 1.0
    for low, high in bounds:
        step = (high - low) / count
        axes.append(low + step * (np.arange(count) + 0.5))
        cell *= step
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, len(bounds))
    total = 0.0
    for start in range(0, len(grid), _CHUNK):
        scores = geometric_score(mixture, grid[start : start + _CHUNK])
        total += float(np.exp(scores.numpy().astype("float64")).sum())
    return GeometricNormalizer(
        math.log(total * cell), 0.0, float(len(grid)), len(grid), "grid"
    )
