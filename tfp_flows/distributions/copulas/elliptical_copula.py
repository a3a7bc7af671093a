"""What the copulas of the multivariate normal and Student-t have in common."""

import abc
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfp_flows.distributions.copulas.copula import Copula
from tfp_flows.ops.log_tails import LogTails

__all__ = ["EllipticalCopula", "standard_normal"]


class EllipticalCopula(Copula):
    """Base of the two: the copula of a correlated distribution with quantiles q = Q(u).

    A base whose marginals are the copula's own, up to location and scale, needs no
    u: `CopulaDistribution` asks for `joint_log_prob` of the quantiles themselves.
    Otherwise the density is computed from scores, increasing functions of the
    quantiles that are in range for any ln u.
    """

    @property
    @abc.abstractmethod
    def correlation_cholesky(self) -> Any:
        """L of R = L Lᵀ, [D, D], with rows of unit norm."""

    @property
    def correlation(self) -> tf.Tensor:
        """R = L Lᵀ, [D, D]."""
        factor = tf.convert_to_tensor(self.correlation_cholesky)
        return tf.linalg.matmul(factor, factor, transpose_b=True)

    @property
    def kendall_tau(self) -> tf.Tensor:
        """τ = (2/π) arcsin ρ of each pair; [D, D]."""
        correlation = self.correlation
        tau = 2 / np.pi * tf.asin(tf.clip_by_value(correlation, -1, 1))
        return tf.linalg.set_diag(tau, tf.ones_like(correlation[0]))

    @abc.abstractmethod
    def scores(self, tails: LogTails) -> tf.Tensor:
        """Scores at u, [batch..., D]."""

    @abc.abstractmethod
    def scores_of_quantiles(self, quantiles: tf.Tensor) -> tf.Tensor:
        """Scores at q = Q(u), [batch..., D]."""

    @abc.abstractmethod
    def log_density_of_scores(self, scores: tf.Tensor) -> tf.Tensor:
        """Returns log c(u) from the scores, [batch..., D] → [batch...]."""

    @abc.abstractmethod
    def joint_log_prob(self, quantiles: tf.Tensor) -> tf.Tensor:
        """Log-density of the correlated distribution at q, [batch...]."""

    @abc.abstractmethod
    def sample_quantiles(self, n: Any, seed: Any) -> tf.Tensor:
        """Draws q, [n, D]."""

    def log_density(self, tails: LogTails) -> tf.Tensor:
        """Returns log c(u), [batch...]."""
        return self.log_density_of_scores(self.scores(tails))

    def _white(self, quantiles: tf.Tensor) -> tf.Tensor:
        """Returns e = L⁻¹ q, [batch..., D]."""
        factor = tf.convert_to_tensor(self.correlation_cholesky)
        rows = tf.reshape(quantiles, [-1, self.dimension])
        white = tf.linalg.triangular_solve(factor, tf.transpose(rows))
        return tf.reshape(tf.transpose(white), tf.shape(quantiles))

    def _colored(self, white: tf.Tensor) -> tf.Tensor:
        """Returns q = L e, [batch..., D]."""
        factor = tf.convert_to_tensor(self.correlation_cholesky)
        return tf.linalg.matvec(factor, white)

    def _half_log_det(self) -> tf.Tensor:
        factor = tf.convert_to_tensor(self.correlation_cholesky)
        return tf.reduce_sum(tf.math.log(tf.linalg.diag_part(factor)))


def standard_normal(shape: Any, seed: Any, dtype: tf.DType) -> tf.Tensor:
    """Draws independent standard normal numbers of a shape."""
    seed = tfp.random.sanitize_seed(seed)
    return tf.random.stateless_normal(shape, seed, dtype=dtype)
