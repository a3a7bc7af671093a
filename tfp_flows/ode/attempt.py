"""One step of a Runge–Kutta method."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfp_flows.ode.tableau import Tableau

__all__ = ["Attempt", "Slope", "attempt", "combine", "interpolate"]

Slope = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
"""slope(τ, y): [B], [B, F] → dy/dτ, [B, F]."""


class Attempt(NamedTuple):
    """What one step computed.

    Attributes:
        end: y⁺, [B, F].
        times: τ of each stage, [B].
        points: y of each stage, [B, F].
        slopes: k of each stage, [B, F]; the last is missing where it was not asked for.
    """

    end: tf.Tensor
    times: list[tf.Tensor]
    points: list[tf.Tensor]
    slopes: list[tf.Tensor]


def attempt(
    slope: Slope,
    method: Tableau,
    tau: tf.Tensor,
    omega: tf.Tensor,
    y: tf.Tensor,
    first: tf.Tensor,
    *,
    end_only: bool = False,
) -> Attempt:
    """Steps from τ to τ + ω, each row by its own.

    Args:
        slope: dy/dτ.
        method: the tableau.
        tau: [B].
        omega: [B].
        y: [B, F].
        first: slope(τ, y).
        end_only: leave out a last stage that only the error and the next step need.
    """
    column = omega[:, tf.newaxis]
    times, points, slopes = [tau], [y], [first]
    for row, node in zip(method.a[1:], method.c[1:], strict=True):
        times.append(tau + node * omega)
        points.append(y + column * combine(row, slopes))
        if not (end_only and method.reuses_end and len(points) == len(method.b)):
            slopes.append(slope(times[-1], points[-1]))
    end = points[-1] if method.reuses_end else y + column * combine(method.b, slopes)
    return Attempt(end, times, points, slopes)


def combine(weights: Sequence[float], slopes: Sequence[tf.Tensor]) -> tf.Tensor:
    """Σᵢ wᵢ kᵢ."""
    pairs = zip(weights, slopes, strict=False)
    return tf.add_n([slope * weight for weight, slope in pairs if weight])


def interpolate(
    method: Tableau, theta: tf.Tensor, omega: tf.Tensor, tried: Attempt
) -> tf.Tensor:
    """Returns y(τ + θω), [J, B, F], of θ: [J, B]."""
    dense = np.asarray(method.interpolant)
    powers = tf.stack([theta ** (p + 1) for p in range(dense.shape[1])], axis=-1)
    weights = tf.einsum("jbp,sp->jbs", powers, tf.constant(dense, theta.dtype))
    slopes = tf.stack(tried.slopes, axis=0)
    way = tf.einsum("jbs,sbf->jbf", weights, slopes)
    return tried.points[0] + omega[:, tf.newaxis] * way
