"""Tail indices of data, by Hill's estimator and by Student-t maximum likelihood."""

import math
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tfp_flows.ops.student_t import student_t_log_prob

__all__ = ["StudentTFit", "TailIndex", "checked_columns", "fit_student_t", "hill"]

_LEAST_TAIL = 10
# Rows that the likelihood is maximized on.
_MAX_ROWS = 20_000
_MOST_NEWTON_STEPS = 100
# Slope of the mean loss at which a margin has its optimum.
_FLAT = 1e-8
_ROUNDING = 1e-12
# Above this the likelihood is flat: a normal variable.
LARGEST_DF = 200.0
_IQR_OF_NORMAL = 1.349


class TailIndex(NamedTuple):
    """Hill's estimates α of each margin: P(|X| > x) falls as x^−α on that side."""

    lower: np.ndarray
    """[D], of the lower tails."""
    upper: np.ndarray
    """[D], of the upper tails."""
    num_points: int
    """k, the points of each tail: the relative standard error is 1/√k."""


class StudentTFit(NamedTuple):
    """Maximum-likelihood Student-t distribution of each margin."""

    df: np.ndarray
    """[D], ν: the tail index of both sides; at most 200, which is normal."""
    loc: np.ndarray
    """[D]."""
    scale: np.ndarray
    """[D]."""
    gain: np.ndarray
    """[D], log-likelihood above that of the normal distribution, nats in all rows."""


def hill(x: Any, num_points: int | None = None) -> TailIndex:
    """Estimates the tail index of every margin and side.

    With X₍₁₎ ≥ X₍₂₎ ≥ … the distances from the median on one side,
    1/α = (1/k) Σᵢ≤ₖ ln(X₍ᵢ₎ / X₍ₖ₊₁₎). It is consistent for power-law tails; of a
    light tail it only says that α is large, and more points bias it downwards.

    Args:
        x: [N, D].
        num_points: k; default ⌈N^0.55⌉: variance falls, while the share of the rows
            that counts as tail goes to zero as well.

    Returns:
        α of both sides, each [D].

    Raises:
        ValueError: fewer than 10 tail points, fewer than k + 1 on a side, or a
            non-finite entry.

    Example:
        >>> x = np.random.default_rng(0).standard_t(3, [20_000, 1])
        >>> hill(x).upper.round(1).item()
        2.8

    Reference: Hill (1975), "A simple general approach to inference about the tail of
    a distribution", eq. 2.3.
    """
    x = checked_columns(x, "hill")
    k = math.ceil(len(x) ** 0.55) if num_points is None else num_points
    if k < _LEAST_TAIL:
        raise ValueError(
            f"hill needs at least {_LEAST_TAIL} tail points, received num_points={k} "
            f"for {len(x)} rows. Give more rows; the default takes N^0.55 of N."
        )
    centered = x - np.median(x, axis=0)
    lower, upper = (_hill_one_side(sign * centered, k) for sign in (-1, 1))
    return TailIndex(lower, upper, k)


def _hill_one_side(x: np.ndarray, k: int) -> np.ndarray:
    largest = np.sort(x, axis=0)[::-1][: k + 1]
    if len(largest) <= k or np.any(largest[-1] <= 0):
        raise ValueError(
            f"hill asks for {k} points beyond the median on each side, and a margin "
            "has fewer. Give more rows or a smaller num_points."
        )
    spacing = np.log(largest[:-1] / largest[-1]).mean(axis=0)
    with np.errstate(divide="ignore"):
        return 1 / spacing


def fit_student_t(x: Any) -> StudentTFit:
    """Fits a Student-t distribution to every margin by maximum likelihood.

    Location, log-scale and ln ν by Newton's method, all margins in one batch, on up to
    20,000 rows.

    Args:
        x: [N, D].

    Raises:
        ValueError: fewer than 20 rows, a constant margin or a non-finite entry.

    Example:
        >>> x = np.random.default_rng(0).standard_t(3, [20_000, 1])
        >>> fit_student_t(x).df.round().item()
        3.0

    Reference: Lange, Little, Taylor (1989), "Robust statistical modeling using the t
    distribution".
    """
    x = checked_columns(x, "fit_student_t")
    if len(x) < 2 * _LEAST_TAIL:
        raise ValueError(
            f"fit_student_t needs at least {2 * _LEAST_TAIL} rows, received {len(x)}."
        )
    median = np.median(x, axis=0)
    spread = np.subtract(*np.quantile(x, [0.75, 0.25], axis=0)) / _IQR_OF_NORMAL
    spread = np.where(spread > 0, spread, x.std(axis=0))
    if np.any(spread == 0):
        raise ValueError(
            f"fit_student_t: column {int(np.argmin(spread))} has one value in all rows."
        )
    z = (x - median) / spread
    rows = tf.constant(z[:: -(-len(z) // _MAX_ROWS)].T)
    best = _maximize(rows)
    scale = np.exp(best[:, 1])
    df = np.exp(best[:, 2])
    normal = -0.5 * np.log(2 * np.pi * z.var(axis=0)) - 0.5
    gain = len(z) * (-_loss(rows, tf.constant(best)).numpy() - normal)
    return StudentTFit(
        np.minimum(df, LARGEST_DF), median + spread * best[:, 0], spread * scale, gain
    )


def _maximize(rows: tf.Tensor) -> np.ndarray:
    """[D, 3] of location, log-scale and ln ν of the standardized margins [D, N].

    Newton's method with the curvatures' absolute values, damped in each margin until
    its loss falls; a general line search takes a hundred times as many operations.
    """
    best = np.tile([0.0, -0.1, math.log(5.0)], [rows.shape[0], 1])
    damping = np.ones([len(best), 1])
    loss, gradient, hessian = (part.numpy() for part in _derivatives(rows, best))
    for _ in range(_MOST_NEWTON_STEPS):
        if np.all(np.abs(gradient) < _FLAT):
            break
        curvature, axes = np.linalg.eigh(hessian)
        along = np.einsum("dij,di->dj", axes, gradient) / (np.abs(curvature) + damping)
        step = np.clip(np.einsum("dij,dj->di", axes, along), -1.0, 1.0)
        tried = [part.numpy() for part in _derivatives(rows, best - step)]
        falls = (tried[0] <= loss + _ROUNDING)[:, np.newaxis]
        damping = np.where(falls, 0.1 * damping, 10 * damping + 1e-3)
        best = np.where(falls, best - step, best)
        loss = np.where(falls[:, 0], tried[0], loss)
        gradient = np.where(falls, tried[1], gradient)
        hessian = np.where(falls[..., np.newaxis], tried[2], hessian)
    return best


# Traced once for all shapes.
@tf.function(autograph=False, input_signature=2 * [tf.TensorSpec([None] * 2, "double")])
def _derivatives(
    rows: tf.Tensor, point: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Loss [D] of each margin, its gradient [D, 3] and its Hessian [D, 3, 3]."""
    with tf.GradientTape(persistent=True) as outer:
        outer.watch(point)
        with tf.GradientTape() as inner:
            inner.watch(point)
            loss = _loss(rows, point)
        gradient = inner.gradient(loss, point)
        columns = tf.unstack(gradient, num=3, axis=-1)
    hessian = tf.stack([outer.gradient(column, point) for column in columns], axis=-2)
    return loss, gradient, hessian


def _loss(rows: tf.Tensor, parameters: tf.Tensor) -> tf.Tensor:
    """Mean negative log-likelihood of each margin, [D].

    Beyond ν = 200 it grows slowly with ln ν, so that a normal margin has an optimum.
    """
    loc, log_scale, log_df = tf.split(parameters, 3, axis=-1)
    z = (rows - loc) * tf.exp(-log_scale)
    log_prob = student_t_log_prob(z, tf.exp(log_df)) - log_scale
    excess = tf.nn.relu(log_df[:, 0] - math.log(LARGEST_DF))
    return excess**2 - tf.reduce_mean(log_prob, axis=-1)


def checked_columns(x: Any, name: str) -> np.ndarray:
    """Returns x as float64 [N, D], of finite numbers.

    Raises:
        ValueError: another rank, or a non-finite entry.
    """
    x = np.asarray(x, "float64")
    if x.ndim != 2 or x.shape[1] < 1:
        raise ValueError(f"{name} expects rows [N, D], received shape {x.shape}.")
    if not np.all(np.isfinite(x)):
        row, column = np.argwhere(~np.isfinite(x))[0]
        raise ValueError(
            f"{name} received a non-finite value, first in row {row}, column {column}."
        )
    return x
