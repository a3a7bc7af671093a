"""Gumbel's copula: dependence in the upper tail."""

import math
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfp_flows.distributions.copulas.archimedean_copula import ArchimedeanCopula
from tfp_flows.distributions.copulas.copula import TailDependence
from tfp_flows.ops.exponential import log_exponential
from tfp_flows.ops.log_tails import LogTails, log_neg_log

__all__ = ["GumbelCopula"]


class GumbelCopula(ArchimedeanCopula):
    """C(u) = exp(−(Σᵢ (−ln uᵢ)^θ)^(1/θ)), θ ≥ 1; independence at θ = 1.

    With lᵢ = ln(−ln uᵢ), t = Σᵢ exp(θ lᵢ), a = 1/θ and x = tᵃ,

        log c = D ln θ + (θ − 1) Σ lᵢ − Σ ln uᵢ − x − D ln t + ln P_D(x),
        P_n(x) = Σₖ aₙₖ xᵏ,  aₙ₊₁,ₖ = a aₙ,ₖ₋₁ + (n − a k) aₙₖ,  a₀₀ = 1.

    No term of the recursion is negative, so nothing cancels in any dimension; the
    textbook's alternating sums cancel as D grows. τ = 1 − 1/θ, λ_L = 0,
    λ_U = 2 − 2^(1/θ). Samples (Marshall and Olkin, with Kanter's positive stable
    variable) are reparameterized.

    Args:
        theta: θ ≥ 1, a number, or a variable that stays there, such as
            ``tfp.util.TransformedVariable(2.0, tfb.Softplus(low=1.0))``.
        dimension: D ≥ 2.
        dtype: floating dtype where theta is a number.
        validate_args: as in TFP.
        name: name of the distribution; that of the class if None.

    Example:
        >>> GumbelCopula(2.5, 2).kendall_tau[0, 1].numpy().round(6).item()
        0.6000000238418579

    Reference: Hofert, Mächler, McNeil (2012), arXiv:1108.6032; Kanter
    (1975), "Stable densities under change of scale".
    """

    _LEAST_TRAINABLE = 1.0
    _RANGE = (1.0, False)

    @property
    def kendall_tau(self) -> tf.Tensor:
        """τ = 1 − 1/θ of each pair; [D, D]."""
        tau = 1 - 1 / tf.convert_to_tensor(self.theta)
        return self._of_each_pair(tau)

    @property
    def tail_dependence(self) -> TailDependence:
        """λ_L = 0, λ_U = 2 − 2^(1/θ); two of [D, D]."""
        upper = 2 - 2.0 ** (1 / tf.convert_to_tensor(self.theta))
        return TailDependence(self._of_each_pair(0), self._of_each_pair(upper))

    def log_density(self, tails: LogTails) -> tf.Tensor:
        """Returns log c(u), [batch...]."""
        theta = tf.convert_to_tensor(self.theta)
        size = self.dimension
        log_x = log_neg_log(tails)
        log_t = tf.reduce_logsumexp(theta * log_x, axis=-1)
        return (
            size * tf.math.log(theta)
            + (theta - 1) * tf.reduce_sum(log_x, axis=-1)
            - tf.reduce_sum(tails.below, axis=-1)
            + _log_derivative(size, log_t, theta)
        )

    def sample_tails(self, n: Any, seed: Any) -> LogTails:
        """Draws (ln u, ln(1 − u)), each [n, D], with gradients to θ."""
        theta = tf.convert_to_tensor(self.theta)
        stable_seed, seed = tfp.random.split_seed(seed, 2)
        log_stable = _log_positive_stable([n, 1], stable_seed, 1 / theta)
        log_e = log_exponential([n, self.dimension], seed, self.dtype)
        log_minus_log_u = (log_e - log_stable) / theta
        return LogTails.from_below(-tf.exp(log_minus_log_u))

    def _rosenblatt(self, tails: LogTails) -> tf.Tensor:
        theta = tf.convert_to_tensor(self.theta)
        log_t = tf.math.cumulative_logsumexp(theta * log_neg_log(tails), axis=-1)
        conditional = [tails.below[..., 0]]
        for j in range(1, self.dimension):
            conditional.append(
                _log_derivative(j, log_t[..., j], theta)
                - _log_derivative(j, log_t[..., j - 1], theta)
            )
        return tf.exp(tf.stack(conditional, axis=-1))


def _log_derivative(n: int, log_t: tf.Tensor, theta: tf.Tensor) -> tf.Tensor:
    """Returns ln (−1)ⁿ ψ⁽ⁿ⁾(t) = −x − n ln t + ln Pₙ(x) for ψ(t) = exp(−tᵃ), x = tᵃ."""
    log_x = log_t / theta
    log_coefficients = _log_coefficients(n, theta)
    powers = tf.constant(np.arange(1, n + 1), log_t.dtype)
    terms = log_coefficients + powers * log_x[..., tf.newaxis]
    return tf.reduce_logsumexp(terms, axis=-1) - tf.exp(log_x) - n * log_t


def _log_coefficients(n: int, theta: tf.Tensor) -> tf.Tensor:
    """Returns ln aₙₖ for k = 1 … n, [n]; −∞ where θ = 1 makes them zero.

    The recursion runs in float64 and is divided by n at each step: aₙ₁ is about
    (n − 1)!, which float32 holds to n = 35.
    """
    a = tf.cast(1 / theta, tf.float64)
    powers = tf.constant(np.arange(n + 1), tf.float64)
    row = tf.one_hot(0, n + 1, dtype=tf.float64)
    for index in range(n):
        raised = tf.concat([tf.zeros([1], tf.float64), row[:-1]], 0)
        # Beyond k = index the row is zero, and the factor may be negative.
        factor = tf.where(powers <= index, index - a * powers, tf.zeros_like(powers))
        row = (a * raised + factor * row) / max(index, 1)
    row = row[1:]
    is_positive = row > 0
    log_row = tf.math.log(tf.where(is_positive, row, tf.ones_like(row)))
    log_row += math.lgamma(n)
    minus_infinity = tf.constant(-np.inf, tf.float64)
    return tf.cast(tf.where(is_positive, log_row, minus_infinity), theta.dtype)


def _log_positive_stable(shape: Any, seed: Any, a: tf.Tensor) -> tf.Tensor:
    """Draws ln V with E exp(−sV) = exp(−sᵃ), 0 < a ≤ 1, by Kanter's formula.

    For Θ uniform on (0, π) and W standard exponential,
    ln V = ln sin(aΘ) − (1/a) ln sin Θ + ((1 − a)/a)(ln sin((1 − a)Θ) − ln W).
    """
    angle_seed, seed = tfp.random.split_seed(seed, 2)
    half_step = 2.0 ** (-24 if a.dtype == tf.float32 else -53)
    uniform = tf.random.stateless_uniform(shape, angle_seed, dtype=a.dtype)
    angle = math.pi * (uniform + half_step)
    log_w = log_exponential(shape, seed, a.dtype)
    # sin((1 − a)Θ) is 0 at a = 1, where its factor is 0 as well.
    is_one = a >= 1
    b = tf.where(is_one, tf.constant(0.5, a.dtype), 1 - a)
    third = b * (tf.math.log(tf.sin(b * angle)) - log_w) / a
    third = tf.where(is_one, tf.zeros_like(third), third)
    first = tf.math.log(tf.sin(a * angle)) - tf.math.log(tf.sin(angle)) / a
    return first + third
