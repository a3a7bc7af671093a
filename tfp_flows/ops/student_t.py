"""Student's t distribution through the logarithms of its tails.

TFP's `StudentT` loses the tails where its probabilities leave the floating range:
the survival function of ten degrees of freedom underflows in float32 at x = 20,000
and its quantile is infinite below p = 1e-30.
"""

import math
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfp_flows.ops.log_tails import LogTails

__all__ = ["student_t_log_prob", "student_t_log_tails", "student_t_quantile"]

# Terms of the series in z ≤ ½, whose coefficients are at most 1.
_TERMS = {"float32": 24, "float64": 52}
# Where the third-order term of the cdf's series at 0 is below rounding.
_CENTRAL = {"float32": 1e-3, "float64": 1e-6}
_NEWTON_STEPS = 4


def student_t_log_prob(x: tf.Tensor, df: Any) -> tf.Tensor:
    """Returns ln t_ν(x) = −(ν + 1) ln cosh w − ln B(ν/2, ½) − ½ ln ν, x = √ν sinh w.

    Args:
        x: [batch...].
        df: ν > 0, broadcasting with x.
    """
    df = tf.convert_to_tensor(df, x.dtype)
    w = tf.asinh(x / tf.sqrt(df))
    return (df + 1) / 2 * _log_z(w) - _lbeta(df / 2) - 0.5 * tf.math.log(df)


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
    log_tail = _log_tail(tf.asinh(tf.abs(outer_x) / tf.sqrt(df)), df)
    outer = LogTails.from_smaller(log_tail, x < 0)
    return LogTails(
        tf.where(is_central, tf.math.log(0.5 + shift), outer.below),
        tf.where(is_central, tf.math.log(0.5 - shift), outer.above),
    )


def student_t_quantile(tails: LogTails, df: Any) -> tf.Tensor:
    """Returns T_ν⁻¹(u) from the smaller tail, to full precision at both ends.

    Newton steps for w in ln S(√ν sinh w) = ln p, a function that is almost straight
    in w; the series' leading term is the start. The last step carries the implicit
    gradient: with f the density, dx = (S / f) (∂ln S/∂ν · dν − dln p).

    Args:
        tails: (ln u, ln(1 − u)), each [batch...].
        df: ν > 0, broadcasting with them.
    """
    log_p = tails.smaller()
    df = tf.convert_to_tensor(df, log_p.dtype) + tf.zeros_like(log_p)
    x = tf.stop_gradient(_upper_quantile(log_p, df))
    log_tail = _log_tail(tf.asinh(x / tf.sqrt(df)), df)
    inverse_slope = tf.stop_gradient(tf.exp(log_tail - student_t_log_prob(x, df)))
    x += inverse_slope * (log_tail - log_p)
    return tf.where(tails.below <= tails.above, -x, x)


def _log_z(w: tf.Tensor) -> tf.Tensor:
    """Ln z = −2 ln cosh w for w of any sign; x² itself leaves float32 at 1e19."""
    w = tf.abs(w)
    return -2 * (w + tf.math.log1p(tf.exp(-2 * w)) - math.log(2))


def _lbeta(a: tf.Tensor) -> tf.Tensor:
    return tfp.math.lbeta(a, tf.constant(0.5, a.dtype))


def _log_tail(w: tf.Tensor, df: tf.Tensor) -> tf.Tensor:
    """Ln P(T > √ν sinh w) for w > 0."""
    a, half = df / 2 + tf.zeros_like(w), tf.constant(0.5, w.dtype)
    log_z = _log_z(w)
    is_outer = log_z < math.log(0.5)
    largest = tf.constant(math.log(0.5), w.dtype)
    outer = _log_tail_series(tf.where(is_outer, log_z, largest), a)
    w = tf.where(is_outer, half, w)
    # Below x = 1 the complement I_y(½, a), y = 1 − z = tanh² w, is the exact one.
    is_near = tf.sinh(w) ** 2 * df < 1
    inner = tfp.math.betainc(
        tf.where(is_near, half, a),
        tf.where(is_near, a, half),
        tf.where(is_near, tf.tanh(w) ** 2, tf.exp(_log_z(w))),
    )
    inner = half * tf.where(is_near, 1 - inner, inner)
    return tf.where(is_outer, outer, tf.math.log(inner))


def _log_tail_series(log_z: tf.Tensor, a: tf.Tensor) -> tf.Tensor:
    z = tf.exp(log_z)
    total = tf.zeros_like(z)
    for n in reversed(range(1, _TERMS[log_z.dtype.name])):
        binomial = math.exp(
            math.lgamma(n + 0.5) - math.lgamma(0.5) - math.lgamma(n + 1.0)
        )
        total = z * (binomial * (a / (a + n)) + total)
    return a * log_z - tf.math.log(2 * a) - _lbeta(a) + tf.math.log1p(total)


def _upper_quantile(log_p: tf.Tensor, df: tf.Tensor) -> tf.Tensor:
    """X ≥ 0 with ln P(T > x) = log_p, for log_p ≤ ln ½; no gradient."""
    log_p, df = tf.stop_gradient(log_p), tf.stop_gradient(df)
    a = df / 2
    log_z = tf.minimum((log_p + tf.math.log(2 * a) + _lbeta(a)) / a, -1e-6)
    w = -log_z / 2 + tf.math.log1p(tf.sqrt(-tf.math.expm1(log_z)))
    least = tf.constant(np.finfo(log_p.dtype.as_numpy_dtype).tiny, log_p.dtype)

    def step(w: tf.Tensor) -> tuple[tf.Tensor]:
        log_tail = _log_tail(w, df)
        # dln S/dw = −zᵃ / (B(a, ½) S).
        log_slope = a * _log_z(w) - _lbeta(a) - log_tail
        return (tf.maximum(w + (log_tail - log_p) * tf.exp(-log_slope), least),)

    (w,) = tf.while_loop(
        lambda _: True, step, (tf.stop_gradient(w),), maximum_iterations=_NEWTON_STEPS
    )
    return tf.sqrt(df) * tf.sinh(w)
