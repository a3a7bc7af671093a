"""The tail of Student's t distribution as polynomials, a set for each ν.

With x = √ν sinh w the tail of ν degrees of freedom is

    P(T > x) = J(w) / (cosh(w)^ν B(ν/2, ½)),  J = ∫₀^∞ (cosh t + tanh w · sinh t)^−ν dt,

and J is analytic in tanh w on (−1, 1]: one polynomial in a bounded variable has all
digits of a dtype for any x. The quadrature of its values is done for each ν, not for
each x.
"""

import math

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfp_flows.ops.chebyshev import (
    chebyshev_coefficients,
    chebyshev_nodes,
    chebyshev_sum,
)

__all__ = ["StudentTTail", "log_cosh_of_asinh"]

# Nodes that leave rounding errors alone for ν from 0.05 to 10⁵.
_NODES = {"float32": 10, "float64": 26}
# A guess of the quantile has few digits, which a step of third order triples.
_GUESS_NODES = {"float32": 7, "float64": 24}
_GUESS_STEPS = 8
# Half of the range of a variable is for numbers below 3 where its end is √ν.
_STRETCH = 3.0
# Here 1 + u² is u², and in range.
_FAR = {"float32": 1e9, "float64": 1e18}


class StudentTTail:
    """ln P(T > √ν sinh w) for w ≥ 0 and any ν > 0, and the w of a given ln P.

    `ln(√ν J (μ + 3))`, μ = √ν tanh w, is interpolated in s = μ / (μ + 3): bounded, and
    like Mills' ratio of a normal variable where ν is large. Gradients reach w and ν.

    Args:
        df: ν, of a shape that broadcasts with w.
    """

    def __init__(self, df: tf.Tensor) -> None:
        self._df = df
        self._root = tf.sqrt(df)
        self._log_beta = tfp.math.lbeta(df / 2, tf.constant(0.5, df.dtype))
        self._stretch = _STRETCH / self._root
        wide = tf.cast(df, tf.float64)
        mu = _from_unit(chebyshev_nodes(_NODES[df.dtype.name]), wide)
        values = _log_integral(mu, wide)
        values += tf.math.log(tf.sqrt(wide) * (mu + _STRETCH))
        self._coefficients = chebyshev_coefficients(values, df.dtype)

    def log_tail(self, u: tf.Tensor) -> tf.Tensor:
        """Returns ln P at u = sinh w = x / √ν ≥ 0."""
        inner = tf.minimum(u, _FAR[u.dtype.name])
        log_integral, _ = self._log_integral(inner, tf.sqrt(1 + inner**2))
        return log_integral - self._df * log_cosh_of_asinh(u) - self._log_beta

    def asinh_quantile(self, log_p: tf.Tensor) -> tf.Tensor:
        """Returns w ≥ 0 with ln P(T > √ν sinh w) = log_p, for log_p ≤ ln ½.

        One step of third order from a polynomial's guess. Its derivatives are those
        of w up to the square of the guess's error, and reach log_p and ν.
        """
        guess = tf.stop_gradient(self._guess(log_p))
        return self._refined(guess, log_p)

    def _refined(self, w: tf.Tensor, log_p: tf.Tensor) -> tf.Tensor:
        """Halley's step for f = ln P − log_p: f' = −1/J and J' = ν tanh w · J − 1."""
        e = tf.exp(-2 * w)
        log_integral, tanh = self._log_integral(1 - e, 1 + e)
        log_cosh = w + tf.math.log1p(e) - math.log(2)
        f = log_integral - self._df * log_cosh - self._log_beta - log_p
        integral = tf.exp(log_integral)
        return w + f * integral * (1 + 0.5 * f * (self._df * tanh * integral - 1))

    def _log_integral(
        self, sinh: tf.Tensor, cosh: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns ln J and tanh w from sinh w, cosh w, or a multiple of both."""
        total = sinh + self._stretch * cosh
        y = (2 + 2 * self._stretch) * (sinh / total) - 1
        log_weight = tf.math.log(self._df * (total / cosh))
        return chebyshev_sum(self._coefficients, y) - log_weight, sinh / cosh

    def _guess(self, log_p: tf.Tensor) -> tf.Tensor:
        """Returns w = ℓ/ν + r h(s) / √ν for 2p = e^−ℓ and r² = ν (1 − e^(−2ℓ/ν)).

        The bounded h is interpolated in s = r / (r + 3).
        """
        depth = tf.nn.relu(-math.log(2) - log_p)
        share = tf.sqrt(-tf.math.expm1(-2 / self._df * depth))
        y = (2 + 2 * self._stretch) * (share / (share + self._stretch)) - 1
        h = chebyshev_sum(self._guess_coefficients(), y)
        return depth / self._df + share * h

    def _guess_coefficients(self) -> list[tf.Tensor]:
        nodes = chebyshev_nodes(_GUESS_NODES[self._df.dtype.name])
        share = tf.cast(
            _from_unit(nodes, tf.cast(self._df, tf.float64)), self._df.dtype
        )
        share = tf.minimum(share / self._root, 1 - 1e-6)
        linear = -0.5 * tf.math.log1p(-(share**2))
        w = linear + tf.math.log1p(share)
        for _ in range(_GUESS_STEPS):
            w = tf.nn.relu(self._refined(w, -math.log(2) - self._df * linear))
        return chebyshev_coefficients((w - linear) / share, self._df.dtype)


def log_cosh_of_asinh(u: tf.Tensor) -> tf.Tensor:
    """Returns ln cosh asinh u = ½ ln(1 + u²), also where u² is out of range."""
    limit = tf.constant(_FAR[u.dtype.name], u.dtype)
    size = tf.abs(u)
    is_far = size > limit
    near = 0.5 * tf.math.log1p(tf.where(is_far, limit, u) ** 2)
    return tf.where(is_far, tf.math.log(tf.where(is_far, size, limit)), near)


def _from_unit(nodes: np.ndarray, df: tf.Tensor) -> tf.Tensor:
    """μ in (0, √ν), [N, *shape of ν], whose s / s(√ν) is (1 + y)/2 at the nodes y."""
    s = (1 + nodes.reshape([-1] + [1] * len(df.shape))) / 2
    root = tf.sqrt(df)
    s *= root / (root + _STRETCH)
    return _STRETCH * s / (1 - s)


def _log_integral(mu: tf.Tensor, df: tf.Tensor) -> tf.Tensor:
    """Returns ln J by the trapezoidal rule in k, t = exp(k − e^−k) in decay lengths.

    In double precision. ln(cosh t + m sinh t) = t + ln(1 − (1 − m)(1 − e^−2t)/2).
    """
    k = np.arange(-3.8, 4.05, 0.1)
    spread = np.exp(k - np.exp(-k))
    weights = 0.1 * spread * (1 + np.exp(-k))
    root = tf.sqrt(df)
    scale = 1 / df + 1 / (root * (1 + mu))
    t = scale[..., tf.newaxis] * spread
    rest = (1 - mu / root)[..., tf.newaxis]
    exponent = t + tf.math.log1p(rest / 2 * tf.math.expm1(-2 * t))
    integrand = weights * tf.exp(-df[..., tf.newaxis] * exponent)
    return tf.math.log(scale) + tf.math.log(tf.reduce_sum(integrand, axis=-1))
