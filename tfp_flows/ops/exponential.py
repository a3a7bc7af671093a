"""Uniform and exponential random numbers by their logarithms, exact at both ends."""

from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp

from tfp_flows.ops.log_tails import LogTails

__all__ = ["log_exponential", "uniform_log_tails"]


def log_exponential(shape: Any, seed: Any, dtype: tf.DType) -> tf.Tensor:
    """Draws ln E for standard exponential E.

    Args:
        shape: of the result.
        seed: as TFP takes it.
        dtype: float32 or float64.
    """
    seed = tfp.random.sanitize_seed(seed)
    # A uniform number is a multiple of 2⁻²³ (2⁻⁵²), 0 among them: half a step more is
    # exact and never 0.
    half_step = 2.0 ** (-24 if dtype == tf.float32 else -53)
    uniform = tf.random.stateless_uniform(shape, seed, dtype=dtype)
    return tf.math.log(-tf.math.log1p(-(uniform + half_step)))


def uniform_log_tails(shape: Any, seed: Any, dtype: tf.DType) -> LogTails:
    """Draws u uniform on (0, 1) as (ln u, ln(1 − u)): u = E₁ / (E₁ + E₂).

    Args:
        shape: of each of the pair.
        seed: as TFP takes it.
        dtype: float32 or float64.
    """
    first, second = (
        log_exponential(shape, part, dtype) for part in tfp.random.split_seed(seed, 2)
    )
    log_odds = first - second
    return LogTails(-tf.nn.softplus(-log_odds), -tf.nn.softplus(log_odds))
