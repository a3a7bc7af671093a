"""Student's t distribution through the logarithms of its tails.

TFP's `StudentT` loses the tails where its probabilities leave the floating range:
the survival function of ten degrees of freedom underflows in float32 at x = 20,000
and its quantile is infinite below p = 1e-30.
"""

import math
from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from tfp_flows.ops.log_tails import LogTails

__all__ = ["student_t_log_prob", "student_t_log_tails", "student_t_quantile"]

# Terms of the series in z ≤ ½, whose coefficients are at most 1.
_TERMS = {"float32": 24, "float64": 52}
# The series' leading term alone is a good start for Newton below this z.
_FAR = 0.2
_NEWTON_STEPS = 3


def student_t_log_prob(x: tf.Tensor, df: Any) -> tf.Tensor:
    """Returns the log-density of the standard t distribution with ν = df."""
    df = tf.convert_to_tensor(df, x.dtype)
    constant = tfp.math.lbeta(df / 2, tf.constant(0.5, x.dtype))
    return -(df + 1) / 2 * tf.math.log1p(x**2 / df) - constant - 0.5 * tf.math.log(df)


def student_t_log_tails(x: tf.Tensor, df: Any) -> LogTails:
    """Returns (ln T_ν(x), ln T_ν(−x)) for x: [batch...] and df broadcasting with it.

    With z = ν / (ν + x²) and a = ν / 2 the tail beyond |x| is

        S = ½ I_z(a, ½) = zᵃ / (2 a B(a, ½)) · Σₙ (½)ₙ/n! · a/(a + n) · zⁿ,

    summed where z ≤ ½ and left to the incomplete beta function elsewhere. Gradients
    reach x and df.

    Reference: Abramowitz and Stegun (1964), eqs. 26.5.4 and 26.7.1.
    """
    df = tf.convert_to_tensor(df, x.dtype)
    # |x| has no derivative at 0, but the tail has: near 0 it is computed from x.
    is_central = tf.abs(x) < _CENTRAL[x.dtype.name]
    inner_x = tf.where(is_central, x, tf.zeros_like(x))
    shift = inner_x * tf.exp(student_t_log_prob(tf.zeros_like(x), df))
    outer_x = tf.where(is_central, tf.ones_like(x), x)
    log_tail = _log_upper_tail(tf.abs(outer_x), df)
    outer = LogTails.from_smaller(log_tail, x < 0)
    return LogTails(
        tf.where(is_central, tf.math.log(0.5 + shift), outer.below),
        tf.where(is_central, tf.math.log(0.5 - shift), outer.above),
    )


# Where the third-order term of the cdf's series at 0 is below rounding.
_CENTRAL = {"float32": 1e-3, "float64": 1e-6}


def student_t_quantile(tails: LogTails, df: Any) -> tf.Tensor:
    """Returns T_ν⁻¹(u) from the smaller tail, to full precision at both ends.

    TFP's quantile, or in the far tail Newton steps on the series in ln z. The last
    step carries the implicit gradient: with S the tail and f the density,
    dq = (S / f) (∂ln S/∂ν · dν − dln p).

    Args:
        tails: (ln u, ln(1 − u)), each [batch...].
        df: ν, broadcasting with them.
    """
    log_p = tails.smaller()
    df = tf.convert_to_tensor(df, log_p.dtype) + tf.zeros_like(log_p)
    q = tf.stop_gradient(_upper_quantile(log_p, df))
    log_tail = _log_upper_tail(q, df)
    inverse_slope = tf.stop_gradient(tf.exp(log_tail - student_t_log_prob(q, df)))
    q += inverse_slope * (log_tail - log_p)
    return tf.where(tails.below <= tails.above, -q, q)


def _log_upper_tail(x: tf.Tensor, df: tf.Tensor) -> tf.Tensor:
    """Ln P(T > x) for x ≥ 0."""
    # 1 / z without overflow: x² alone leaves float32 at 1e19.
    log_z = -tf.math.log1p((x / tf.sqrt(df)) ** 2)
    is_outer = log_z < math.log(0.5)
    outer = _log_tail_series(tf.where(is_outer, log_z, math.log(0.5)), df)
    z = tf.where(is_outer, tf.constant(0.75, x.dtype), tf.exp(log_z))
    half = tf.constant(0.5, x.dtype)
    inner = tf.math.log(half * tfp.math.betainc(df / 2 + tf.zeros_like(z), half, z))
    return tf.where(is_outer, outer, inner)


def _log_tail_series(log_z: tf.Tensor, df: tf.Tensor) -> tf.Tensor:
    a = df / 2
    z = tf.exp(log_z)
    count = _TERMS[log_z.dtype.name]
    total = tf.zeros_like(z)
    for n in reversed(range(1, count)):
        binomial = math.exp(
            math.lgamma(n + 0.5) - math.lgamma(0.5) - math.lgamma(n + 1.0)
        )
        total = z * (binomial * (a / (a + n)) + total)
    return _log_leading_term(log_z, a) + tf.math.log1p(total)


def _log_leading_term(log_z: tf.Tensor, a: tf.Tensor) -> tf.Tensor:
    lbeta = tfp.math.lbeta(a, tf.constant(0.5, log_z.dtype))
    return a * log_z - tf.math.log(2 * a) - lbeta


def _upper_quantile(log_p: tf.Tensor, df: tf.Tensor) -> tf.Tensor:
    """Q ≥ 0 with ln P(T > q) = log_p, for log_p ≤ ln ½; no gradient."""
    a = df / 2
    log_z = (log_p - _log_leading_term(tf.zeros_like(a), a)) / a
    is_far = log_z < math.log(_FAR)
    log_z = tf.where(is_far, log_z, math.log(_FAR))
    for _ in range(_NEWTON_STEPS):
        error = _log_tail_series(log_z, df) - log_p
        log_z -= tf.where(is_far, error, tf.zeros_like(error)) / a
    far = tf.sqrt(df) * tf.exp(-0.5 * log_z) * tf.sqrt(-tf.math.expm1(log_z))
    p = tf.exp(tf.where(is_far, math.log(0.25), log_p))
    near = -tfd.StudentT(df, tf.zeros_like(p), tf.ones_like(p)).quantile(p)
    return tf.where(is_far, far, near)
