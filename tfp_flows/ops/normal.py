"""The standard normal distribution through the logarithms of its tails."""

import math

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfp_flows.ops.log_tails import LogTails

__all__ = ["normal_log_tails", "normal_quantile"]

# Below this ln p the cdf's inverse meets numbers that float32 cannot hold.
_FAR = -80.0
_NEWTON_STEPS = 4


def normal_log_tails(x: tf.Tensor) -> LogTails:
    """Returns (ln Φ(x), ln Φ(−x)) for x: [batch...]."""
    standard = tfd.Normal(tf.zeros([], x.dtype), tf.ones([], x.dtype))
    return LogTails(standard.log_cdf(x), standard.log_cdf(-x))


def normal_quantile(tails: LogTails) -> tf.Tensor:
    """Returns Φ⁻¹(u) from the smaller tail, to full precision at both ends.

    Beyond ln p = −80 the equation ln Φ(q) = ln p is solved by Newton steps from
    q ≈ −√(−2 ln p − ln(−4π ln p)). A last step outside of the solution carries its
    gradient, dq = dln p · Φ(q) / φ(q).

    Args:
        tails: (ln u, ln(1 − u)), each [batch...].
    """
    log_p = tails.smaller()
    is_far = log_p < _FAR
    near = tf.math.ndtri(tf.exp(tf.where(is_far, tf.ones_like(log_p) * -1.0, log_p)))
    far = _far_quantile(tf.where(is_far, log_p, tf.ones_like(log_p) * (_FAR - 1)))
    q = tf.where(is_far, far, near)
    return tf.where(tails.below <= tails.above, q, -q)


def _far_quantile(log_p: tf.Tensor) -> tf.Tensor:
    fixed = tf.stop_gradient(log_p)
    q = -tf.sqrt(-2 * fixed - tf.math.log(-4 * math.pi * fixed))
    for _ in range(_NEWTON_STEPS):
        q, slope = _newton_step(q, fixed)
    q = tf.stop_gradient(q)
    return q + (log_p - fixed) / tf.stop_gradient(slope)


def _newton_step(q: tf.Tensor, log_p: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """One step towards ln Φ(q) = log_p, and the slope φ(q) / Φ(q) there."""
    standard = tfd.Normal(tf.zeros([], q.dtype), tf.ones([], q.dtype))
    log_cdf = standard.log_cdf(q)
    slope = tf.exp(standard.log_prob(q) - log_cdf)
    return q - (log_cdf - log_p) / slope, slope
