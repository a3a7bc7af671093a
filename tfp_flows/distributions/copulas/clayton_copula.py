"""Clayton's copula: dependence in the lower tail."""

from typing import Any

import tensorflow as tf

from tfp_flows.distributions.copulas.archimedean_copula import ArchimedeanCopula
from tfp_flows.distributions.copulas.copula import TailDependence
from tfp_flows.ops.exponential import log_exponential
from tfp_flows.ops.log_tails import LogTails, log_expm1

__all__ = ["ClaytonCopula"]


class ClaytonCopula(ArchimedeanCopula):
    """C(u) = (1 + Σᵢ (uᵢ^−θ − 1))^(−1/θ), θ > 0; independence as θ → 0.

        log c = Σₖ₌₀^{D−1} ln(1 + kθ) − (1 + θ) Σᵢ ln uᵢ
                − (D + 1/θ) ln(1 + Σᵢ (uᵢ^−θ − 1))

    τ = θ / (θ + 2), λ_L = 2^(−1/θ), λ_U = 0. Samples are reparameterized: they are
    the inverse conditional cdfs at uniform numbers.

    Args:
        theta: θ > 0, a number, or a variable that stays positive, such as
            ``tfp.util.TransformedVariable(1.0, tfb.Softplus(low=1e-4))``.
        dimension: D ≥ 2.
        dtype: floating dtype where theta is a number.
        validate_args: as in TFP.
        name: name of the distribution; that of the class if None.

    Example:
        >>> ClaytonCopula(2.0, 2).kendall_tau[0, 1].numpy().item()
        0.5

    Reference: Hofert, Mächler, McNeil (2012), "Likelihood inference for Archimedean
    copulas in high dimensions", arXiv:1108.6032.
    """

    _LEAST_TRAINABLE = 1e-4
    _RANGE = (0.0, True)

    @property
    def kendall_tau(self) -> tf.Tensor:
        """τ = θ / (θ + 2) of each pair; [D, D]."""
        theta = tf.convert_to_tensor(self.theta)
        return self._of_each_pair(theta / (theta + 2))

    @property
    def tail_dependence(self) -> TailDependence:
        """λ_L = 2^(−1/θ), λ_U = 0; two of [D, D]."""
        lower = 2.0 ** (-1 / tf.convert_to_tensor(self.theta))
        return TailDependence(self._of_each_pair(lower), self._of_each_pair(0))

    def log_density(self, tails: LogTails) -> tf.Tensor:
        """Returns log c(u), [batch...]."""
        theta = tf.convert_to_tensor(self.theta)
        size = self.dimension
        log_u = tails.below
        constant = tf.reduce_sum(
            tf.math.log1p(tf.range(size, dtype=self.dtype) * theta)
        )
        return (
            constant
            - (1 + theta) * tf.reduce_sum(log_u, axis=-1)
            - (size + 1 / theta) * _log_one_plus_sum_expm1(-theta * log_u)
        )

    def sample_tails(self, n: Any, seed: Any) -> LogTails:
        """Draws (ln u, ln(1 − u)), each [n, D], with gradients to θ."""
        log_exponentials = log_exponential([n, self.dimension], seed, self.dtype)
        return self._from_conditional(tf.exp(log_exponentials))

    def _rosenblatt(self, tails: LogTails) -> tf.Tensor:
        theta = tf.convert_to_tensor(self.theta)
        log_sum = tf.math.log1p(tf.cumsum(tf.math.expm1(-theta * tails.below), axis=-1))
        before = tf.concat([tf.zeros_like(log_sum[..., :1]), log_sum[..., :-1]], -1)
        order = tf.range(self.dimension, dtype=self.dtype)
        return tf.exp(-(1 / theta + order) * (log_sum - before))

    def _inverse_rosenblatt(self, w: tf.Tensor) -> LogTails:
        return self._from_conditional(-tf.math.log(w))

    def _from_conditional(self, minus_log_w: tf.Tensor) -> LogTails:
        """Inverts the conditional cdfs.

        With Sⱼ = 1 + Σᵢ≤ⱼ (uᵢ^−θ − 1), wⱼ = (Sⱼ / Sⱼ₋₁)^−(1/θ + j − 1): so ln Sⱼ is
        a sum, and uⱼ^−θ = 1 + Sⱼ₋₁ (Sⱼ / Sⱼ₋₁ − 1).
        """
        theta = tf.convert_to_tensor(self.theta)
        order = tf.range(self.dimension, dtype=self.dtype)
        log_ratio = minus_log_w / (1 / theta + order)
        log_before = tf.cumsum(log_ratio, axis=-1, exclusive=True)
        log_u = -tf.nn.softplus(log_before + log_expm1(log_ratio)) / theta
        return LogTails.from_below(log_u)


def _log_one_plus_sum_expm1(x: tf.Tensor) -> tf.Tensor:
    """ln(1 + Σᵢ (exp(xᵢ) − 1)) over the last axis, for xᵢ ≥ 0."""
    largest = tf.stop_gradient(tf.reduce_max(x, axis=-1, keepdims=True))
    is_large = largest > 1
    small_x = tf.where(is_large, tf.zeros_like(x), x)
    small = tf.math.log1p(tf.reduce_sum(tf.math.expm1(small_x), axis=-1))
    # 1 + Σ (eˣ − 1) = eᵐ (e⁻ᵐ + Σ eˣ⁻ᵐ (1 − e⁻ˣ)): no term is negative.
    terms = -tf.exp(x - largest) * tf.math.expm1(-x)
    large = tf.exp(-largest[..., 0]) + tf.reduce_sum(terms, axis=-1)
    large = tf.where(is_large[..., 0], large, tf.ones_like(large))
    return tf.where(is_large[..., 0], largest[..., 0] + tf.math.log(large), small)
