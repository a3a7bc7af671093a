"""Frank's copula: symmetric dependence without tail dependence."""

import math
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfp_flows.distributions.copulas.archimedean_copula import ArchimedeanCopula
from tfp_flows.distributions.copulas.copula import (
    TailDependence,
    scalar_parameter,
)
from tfp_flows.ops.exponential import log_exponential, uniform_log_tails
from tfp_flows.ops.log_tails import LogTails, log1mexp, log1mexp_of_log, log_neg_log

__all__ = ["FrankCopula"]


class FrankCopula(ArchimedeanCopula):
    """C(u) = −(1/θ) ln(1 − p Πᵢ (1 − e^(−θ uᵢ)) / p), p = 1 − e^−θ, θ > 0.

    With h = p Πᵢ (1 − e^(−θ uᵢ)) / p, r = h / (1 − h) and n = D − 1,

        log c = n (ln θ − ln p) − θ Σ uᵢ − ln h + ln Li₋ₙ(h),
        Li₋ₙ(h) = Σₖ₌₀ⁿ k! S(n + 1, k + 1) rᵏ⁺¹,

    S Stirling's numbers of the second kind: no term is negative. For D = 2, θ < 0 is
    dependence of the other sign, c_θ(u, v) = c₋θ(u, 1 − v). τ = 1 − (4/θ)(1 − D₁(θ)),
    no tail dependence. Samples are reparameterized for D = 2, where they invert the
    conditional cdf, and are not beyond (Marshall and Olkin, with a discrete step).

    Args:
        theta: θ > 0 (for D = 2 any number but 0), or a variable that stays there,
            such as ``tfp.util.TransformedVariable(3.0, tfb.Softplus(low=1e-4))``.
        dimension: D ≥ 2.
        dtype: floating dtype where theta is a number.
        validate_args: as in TFP.
        name: name of the distribution; that of the class if None.

    Example:
        >>> FrankCopula(3.0, 2).kendall_tau[0, 1].numpy().round(4).item()
        0.30720001459121704

    Reference: Hofert, Mächler, McNeil (2012), arXiv:1108.6032; Kemp
    (1981), "Efficient generation of logarithmically distributed pseudo-random
    variables".
    """

    _LEAST_TRAINABLE = 1e-4

    @property
    def kendall_tau(self) -> tf.Tensor:
        """τ = 1 − (4/θ)(1 − D₁(θ)) of each pair, [D, D]; Debye's D₁ by quadrature."""
        theta = tf.cast(self.theta, tf.float64)
        nodes, weights = np.polynomial.legendre.leggauss(200)
        y = theta * (nodes + 1) / 2
        debye = tf.reduce_sum(weights / 2 * y / tf.math.expm1(y))
        return self._of_each_pair(1 - 4 / theta * (1 - debye))

    @property
    def tail_dependence(self) -> TailDependence:
        """λ_L = λ_U = 0; two of [D, D]."""
        zero = self._of_each_pair(0)
        return TailDependence(zero, zero)

    def log_density(self, tails: LogTails) -> tf.Tensor:
        """Returns log c(u), [batch...]."""
        theta, tails = self._positive(tails)
        n = self.dimension - 1
        log_p = log1mexp(theta)
        log_h = log_p + tf.reduce_sum(_log_share(theta, tails) - log_p, axis=-1)
        return (
            n * (tf.math.log(theta) - log_p)
            - theta * tf.reduce_sum(tf.exp(tails.below), axis=-1)
            - log_h
            + _log_polylogarithm(n, log_h)
        )

    def sample_tails(self, n: Any, seed: Any) -> LogTails:
        """Draws (ln u, ln(1 − u)), each [n, D]; with gradients to θ for D = 2."""
        if self.dimension == 2:
            uniform = uniform_log_tails([n, 2], seed, self.dtype)
            return self._inverse_conditional(uniform)
        theta = tf.convert_to_tensor(self.theta)
        mixing_seed, seed = tfp.random.split_seed(seed, 2)
        log_v = tf.math.log(_logarithmic([n, 1], mixing_seed, theta))
        log_e = log_exponential([n, self.dimension], seed, self.dtype)
        # U = −ln(1 − p e^(−E/V)) / θ.
        log_share = log1mexp(theta) - tf.exp(log_e - log_v)
        log_u = log_neg_log(LogTails(log1mexp(log_share), log_share)) - tf.math.log(
            theta
        )
        return LogTails.from_below(log_u)

    def _checked_theta(self, theta: Any, dimension: int, dtype: Any, label: str) -> Any:
        low = -np.inf if dimension == 2 else 0.0
        label = f"{label} in {dimension} dimensions"
        checked = scalar_parameter(theta, dtype, low=low, strict=True, name=label)
        if tf.get_static_value(tf.convert_to_tensor(checked)) == 0:
            raise ValueError(
                f"{label}: expected a number other than 0, received 0. "
                "IndependenceCopula is its limit."
            )
        return checked

    def _is_reparameterized(self, dimension: int) -> bool:
        return dimension == 2

    def _positive(self, tails: LogTails) -> tuple[tf.Tensor, LogTails]:
        """|θ|, and the second variable mirrored where θ < 0."""
        theta = tf.convert_to_tensor(self.theta)
        mirrored = tf.constant([False] * (self.dimension - 1) + [True]) & (theta < 0)
        return tf.abs(theta), LogTails(
            tf.where(mirrored, tails.above, tails.below),
            tf.where(mirrored, tails.below, tails.above),
        )

    def _rosenblatt(self, tails: LogTails) -> tf.Tensor:
        theta, tails = self._positive(tails)
        log_p = log1mexp(theta)
        log_h = log_p + tf.cumsum(_log_share(theta, tails) - log_p, axis=-1)
        conditional = [tf.exp(tails.below[..., 0])]
        for j in range(1, self.dimension):
            conditional.append(
                tf.exp(
                    _log_polylogarithm(j - 1, log_h[..., j])
                    - _log_polylogarithm(j - 1, log_h[..., j - 1])
                )
            )
        if self.dimension == 2:
            is_negative = tf.convert_to_tensor(self.theta) < 0
            conditional[1] = tf.where(is_negative, 1 - conditional[1], conditional[1])
        return tf.stack(conditional, axis=-1)

    def _inverse_rosenblatt(self, w: tf.Tensor) -> LogTails:
        if self.dimension > 2:
            return super()._inverse_rosenblatt(w)
        return self._inverse_conditional(LogTails.from_probability(w))

    def _inverse_conditional(self, w: LogTails) -> LogTails:
        """Returns v = −(1/θ) ln(1 − w p / (w + (1 − w) e^(−θu))), for w given u."""
        theta, w = self._positive(w)
        below, above = tf.unstack(w.below, axis=-1), tf.unstack(w.above, axis=-1)
        log_total = tfp.math.log_add_exp(below[1], above[1] - theta * tf.exp(below[0]))
        # 1 − share, and share itself: both sums of positive terms.
        log_share = log1mexp(theta) + below[1] - log_total
        log_rest = (
            tfp.math.log_add_exp(above[1] - theta * tf.exp(below[0]), below[1] - theta)
            - log_total
        )
        log_v = log_neg_log(LogTails(log_rest, log_share)) - tf.math.log(theta)
        second = LogTails.from_below(log_v)
        both = LogTails(
            tf.stack([below[0], second.below], axis=-1),
            tf.stack([above[0], second.above], axis=-1),
        )
        return self._positive(both)[1]


def _log_share(theta: tf.Tensor, tails: LogTails) -> tf.Tensor:
    """ln(1 − exp(−θu))."""
    return log1mexp_of_log(tf.math.log(theta) + tails.below)


def _log_polylogarithm(n: int, log_h: tf.Tensor) -> tf.Tensor:
    """Returns ln Li₋ₙ(h) = ln Σₖ k! S(n + 1, k + 1) rᵏ⁺¹, r = h / (1 − h)."""
    log_r = log_h - log1mexp(log_h)
    logs = np.array([math.log(c) for c in _polylogarithm_coefficients(n)])
    powers = tf.constant(np.arange(1, n + 2), log_h.dtype)
    terms = tf.constant(logs, log_h.dtype) + powers * log_r[..., tf.newaxis]
    return tf.reduce_logsumexp(terms, axis=-1)


def _polylogarithm_coefficients(n: int) -> list[int]:
    """Returns k! S(n + 1, k + 1) for k = 0 … n, exact whole numbers."""
    row = [1]
    for size in range(1, n + 1):
        # S(size + 1, k + 1) = (k + 1) S(size, k + 1) + S(size, k), times k!.
        longer = [*row, 0]
        row = [
            (k + 1) * longer[k] + (k * longer[k - 1] if k else 0)
            for k in range(size + 1)
        ]
    return row


def _logarithmic(shape: Any, seed: Any, theta: tf.Tensor) -> tf.Tensor:
    """Draws V with P(V = k) = pᵏ / (kθ), p = 1 − e^−θ, by Kemp's method LK."""
    first, second = (
        uniform_log_tails(shape, part, theta.dtype)
        for part in tfp.random.split_seed(seed, 2)
    )
    # V is geometric: P(V > k | q) = qᵏ for q = 1 − exp(−θ U).
    log_q = log1mexp(theta * tf.exp(first.below))
    return tf.stop_gradient(1 + tf.floor(second.below / log_q))
