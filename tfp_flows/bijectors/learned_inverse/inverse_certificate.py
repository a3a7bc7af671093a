"""How good the learned inverses of a flow are, measured."""

import dataclasses
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow_probability import bijectors as tfb

from tfp_flows.bijectors.learned_inverse.protocol import (
    LearnedInverse,
    learned_inverses,
)
from tfp_flows.bijectors.structure.walk import layer_inputs
from tfp_flows.ops.jacobian import largest_singular_value

__all__ = ["InverseCertificate", "LayerCertificate", "inverse_certificate"]

_INVERSES = ("exact", "learned", "refined")


@dataclasses.dataclass(frozen=True)
class LayerCertificate:
    """One layer with W and its learned inverse R; norms are spectral.

    Attributes:
        name: name of the layer.
        distance: ‖R W − I‖.
        gradient_error_bound: an upper bound of ‖Rᵀ − W⁻ᵀ‖, the error of the gradient
            of log|det W|: ‖R‖ ‖E‖ / (1 − ‖E‖) with E = I − R W; infinite where
            ‖E‖ ≥ 1.
        round_trip_errors: kind of inverse → largest |x − W⁻¹(W x)| on the given data,
            in units of the largest |x|; None where that inverse cannot be had (the
            exact one of a large convolution, a refined one that does not converge).
        log_det_sum: log|det W| + log|det R|, nats; 0 for an exact inverse.
    """

    name: str
    distance: float
    gradient_error_bound: float
    round_trip_errors: dict[str, float | None]
    log_det_sum: float


@dataclasses.dataclass(frozen=True)
class InverseCertificate:
    """A certificate for each layer, nearest the data first; prints as a table."""

    layers: tuple[LayerCertificate, ...]

    def __str__(self) -> str:
        head = (
            "layer",
            "‖RW − I‖",
            "gradient error ≤",
            *_INVERSES,
            "log|det W||det R|",
        )
        rows = [head] + [
            (
                layer.name,
                f"{layer.distance:.3g}",
                f"{layer.gradient_error_bound:.3g}",
                *(_shown(layer.round_trip_errors[kind]) for kind in _INVERSES),
                f"{layer.log_det_sum:.3g}",
            )
            for layer in self.layers
        ]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join(
            "  ".join(
                cell.rjust(width) for cell, width in zip(row, widths, strict=True)
            )
            for row in rows
        )


def inverse_certificate(
    bijector: tfb.Bijector, x: tf.Tensor, **arguments: Any
) -> InverseCertificate:
    """Measures every layer with a learned inverse on the data as it arrives there.

    Norms are found by power iteration to three digits, from below.

    Args:
        bijector: data → base.
        x: [N, event...], some hundreds of rows.
        **arguments: nested arguments of the bijector.

    Raises:
        ValueError: no layer has a learned inverse.
    """
    known = {id(layer) for layer in learned_inverses(bijector)}
    if not known:
        raise ValueError(
            f"{bijector.name} has no layer with a learned inverse: expected "
            "SelfNormalizingDense or SelfNormalizingConv2D (not their exact twins)."
        )
    walk = layer_inputs(bijector, tf.identity(x), **arguments)
    return InverseCertificate(
        tuple(_certify(layer, at) for layer, at in walk if id(layer) in known)
    )


def _certify(layer: Any, x: tf.Tensor) -> LayerCertificate:
    points = tf.reshape(x, [-1, *layer.probe_shape])
    kernel = tf.convert_to_tensor(layer.kernel)
    start = tf.random.stateless_normal(
        [1, *layer.probe_shape], [0, 0], dtype=kernel.dtype
    )

    def error(v: tf.Tensor) -> tf.Tensor:
        return v - layer.multiply_inverse(layer.multiply(v, kernel))

    # Linear maps: their Jacobians are the same everywhere.
    distance = float(largest_singular_value(error, start, start)[0])
    norm = float(largest_singular_value(layer.multiply_inverse, start, start)[0])
    bound = norm * distance / (1.0 - distance) if distance < 1 else np.inf
    return LayerCertificate(
        name=layer.name,
        distance=distance,
        gradient_error_bound=bound,
        round_trip_errors={
            kind: _round_trip_error(layer, points, kind) for kind in _INVERSES
        },
        log_det_sum=float(layer.log_abs_det() + layer.log_abs_det_of_inverse()),
    )


def _round_trip_error(
    layer: LearnedInverse, points: tf.Tensor, kind: str
) -> float | None:
    try:
        back = layer.solve(layer.multiply(points, layer.kernel), kind)
    except (NotImplementedError, tf.errors.InvalidArgumentError):
        return None
    return float(tf.reduce_max(tf.abs(points - back)) / tf.reduce_max(tf.abs(points)))


def _shown(error: float | None) -> str:
    return "–" if error is None else f"{error:.1e}"
