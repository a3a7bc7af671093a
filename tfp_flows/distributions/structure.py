"""What is inside a distribution: components, a flow, a grid.

A wrapper that is new to the package is made known here, and nowhere else.
"""

from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfp_flows.distributions.dequantized import Dequantized
from tfp_flows.distributions.mixtures.boosted_mixture import BoostedMixture
from tfp_flows.distributions.node_features import NodeFeatures

__all__ = [
    "components",
    "dequantize",
    "flow_of",
    "grid_step",
    "is_gridded",
    "noise_points",
    "quantize",
]

# Their log-densities have noise, by a seed or of the row.
_OF_WHOLE_NUMBERS = (Dequantized, NodeFeatures)


def components(distribution: tfd.Distribution) -> tuple[tfd.Distribution, ...]:
    """Returns the parts of a `BoostedMixture`; none of any other distribution."""
    return distribution.components if isinstance(distribution, BoostedMixture) else ()


def flow_of(distribution: tfd.Distribution) -> tfd.Distribution:
    """Returns the continuous density inside a `Dequantized`, or the distribution."""
    gridded = isinstance(distribution, Dequantized)
    return distribution.distribution if gridded else distribution


def is_gridded(distribution: tfd.Distribution) -> bool:
    """Whether a log-density has noise: that of whole numbers, or of a component."""
    inside = components(distribution)
    return isinstance(distribution, _OF_WHOLE_NUMBERS) or any(map(is_gridded, inside))


def grid_step(distribution: tfd.Distribution) -> np.ndarray:
    """Returns the step of each feature's grid, 0 where it is continuous.

    Returns:
        [event...], float64.

    Raises:
        ValueError: the components of a mixture have different grids: densities and
            probabilities have no common sum.
    """
    if inside := components(distribution):
        first, *others = map(grid_step, inside)
        if any(np.any(step != first) for step in others):
            raise ValueError(
                "All components of a mixture need one grid, received steps "
                f"{', '.join(str(grid_step(part).tolist()) for part in inside)}."
            )
        return first
    if isinstance(distribution, _OF_WHOLE_NUMBERS):
        return distribution.step
    return np.zeros(distribution.event_shape.as_list())


def noise_points(distribution: tfd.Distribution) -> int:
    """Returns the number of points at which one row's density is taken at once."""
    if inside := components(distribution):
        # One after another.
        return max(map(noise_points, inside))
    gridded = isinstance(distribution, _OF_WHOLE_NUMBERS)
    return distribution.parameters["num_samples"] if gridded else 1


def dequantize(distribution: tfd.Distribution, x: Any, seed: Any = None) -> Any:
    """Returns rows as the flow sees them, with noise where they are gridded.

    Args:
        distribution: a flow, or a `Dequantized` of one.
        x: [batch..., event...].
        seed: of the noise; None: what each row hashes to.
    """
    gridded = isinstance(distribution, Dequantized)
    return distribution.dequantize(x, seed) if gridded else x


def quantize(distribution: tfd.Distribution, y: tf.Tensor) -> tf.Tensor:
    """Returns what a flow makes, on the grid where its data are gridded.

    Args:
        distribution: a flow, or a `Dequantized` of one.
        y: [batch..., event...].
    """
    gridded = isinstance(distribution, Dequantized)
    return distribution.quantize(y) if gridded else y
