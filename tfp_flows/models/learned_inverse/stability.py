"""Whether the mixture of a layer's two densities can be trained."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow_probability import bijectors as tfb

from tfp_flows.bijectors import layer_inputs, learned_inverses

__all__ = ["smallest_second_moment", "warn_of_unstable_mixtures"]

# Above ¼ the optimum is stable whichever weights the penalty trains.
_SAFE = 0.25


def warn_of_unstable_mixtures(
    bijector: tfb.Bijector, x: tf.Tensor, penalties: Sequence[Any], **arguments: Any
) -> None:
    """Warns where λ is too small for ½ log pᶠ + ½ log pᵍ to be stable.

    Linearized at the optimum, training is stable only if λ · s > ¼ (⅛ if the penalty
    trains W too), where s is the smallest eigenvalue of the second moment of the
    points that are reconstructed: of the layer's input E[x xᵀ], and 1 for Gaussian
    probes. For a convolution the second moment is that of the patches that its kernel
    sees. Below, W and R settle at a wrong point, nats away.

    Args:
        bijector: data → base.
        x: [N, event...], some rows of the data.
        penalties: as given to `FlowModel`.
        **arguments: nested arguments of the bijector.
    """
    mixtures = [k for k in learned_inverses(bijector) if k.density == "mixture"]
    weights = [p for p in penalties if hasattr(p, "points")]
    if not mixtures or not weights:
        return
    penalty = weights[0]
    inputs = {id(k): at for k, at in layer_inputs(bijector, x, **arguments)}
    for layer in mixtures:
        smallest = 1.0
        if penalty.points == "data":
            smallest = smallest_second_moment(layer, inputs[id(layer)])
        if not penalty.weight * smallest > _SAFE:
            needed = _SAFE / smallest if smallest > 0 else np.inf
            warnings.warn(
                f"The mixture density of {layer.name} is unstable with "
                f"λ = {penalty.weight:g}: the smallest eigenvalue of what it "
                f"reconstructs is {smallest:.2g}, so λ should exceed {needed:.2g}. "
                'Raise the weight of Reconstruction, use points="probes" or '
                'density="forward", or put an ActNorm before the layer.',
                stacklevel=4,
            )


def smallest_second_moment(layer: Any, x: tf.Tensor) -> float:
    """Smallest eigenvalue of E[x xᵀ] as the layer's kernel sees it."""
    points = tf.reshape(x, [-1, *layer.probe_shape])
    if len(layer.probe_shape) == 3:
        rows, columns = layer.kernel.shape[:2]
        points = tf.image.extract_patches(
            points, [1, rows, columns, 1], [1] * 4, [1] * 4, "VALID"
        )
    rows = tf.reshape(points, [-1, points.shape[-1]]).numpy().astype("float64")
    return float(max(np.linalg.eigvalsh(rows.T @ rows / len(rows))[0], 0.0))
