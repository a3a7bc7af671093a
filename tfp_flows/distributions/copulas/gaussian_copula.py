"""The Gaussian copula: correlation without tail dependence."""

from typing import Any

import numpy as np
import tensorflow as tf

from tfp_flows.distributions.copulas.copula import TailDependence
from tfp_flows.distributions.copulas.correlation import (
    checked_factor,
    factor_properties,
)
from tfp_flows.distributions.copulas.elliptical_copula import (
    EllipticalCopula,
    standard_normal,
)
from tfp_flows.ops.log_tails import LogTails
from tfp_flows.ops.normal import normal_log_tails, normal_quantile

__all__ = ["GaussianCopula"]


class GaussianCopula(EllipticalCopula):
    """c of N(0, R): log c = −½ ln|R| − ½ qᵀ(R⁻¹ − I)q with qᵢ = Φ⁻¹(uᵢ).

    τ = (2/π) arcsin ρ, no tail dependence for |ρ| < 1. Samples are reparameterized.

    Args:
        correlation_cholesky: L of R = L Lᵀ, [D, D], lower triangular with rows of
            unit norm: from `correlation_factor(R)`, or trainable by
            ``tfp.util.TransformedVariable(L, tfb.CorrelationCholesky())``.
        dtype: floating dtype where L is an array.
        validate_args: as in TFP.
        name: name of the distribution.

    Raises:
        ValueError: L is not the Cholesky factor of a correlation matrix.

    Example:
        >>> from tfp_flows.distributions import correlation_factor
        >>> factor = correlation_factor([[1.0, 0.5], [0.5, 1.0]])
        >>> GaussianCopula(factor).kendall_tau[0, 1].numpy().round(4).item()
        0.33329999446868896

    Reference: Joe (2014), "Dependence Modeling with Copulas", section 4.3.
    """

    def __init__(
        self,
        correlation_cholesky: Any,
        *,
        dtype: Any = "float32",
        validate_args: bool = False,
        name: str = "GaussianCopula",
    ) -> None:
        self._factor = checked_factor(correlation_cholesky, dtype, name)
        super().__init__(self._factor.shape[0], dtype=self._factor.dtype, name=name)

    @classmethod
    def _parameter_properties(cls, dtype: Any, num_classes: int | None = None) -> dict:
        return {"correlation_cholesky": factor_properties()}

    @property
    def correlation_cholesky(self) -> Any:
        """L of R = L Lᵀ, [D, D]."""
        return self._factor

    @property
    def tail_dependence(self) -> TailDependence:
        """λ_L = λ_U = 0; two of [D, D]."""
        eye = tf.eye(self.dimension, dtype=self.dtype)
        return TailDependence(eye, eye)

    def scores(self, tails: LogTails) -> tf.Tensor:
        """Returns q = Φ⁻¹(u), [batch..., D]."""
        return normal_quantile(tails)

    def scores_of_quantiles(self, quantiles: tf.Tensor) -> tf.Tensor:
        """Returns q itself, [batch..., D]."""
        return quantiles

    def joint_log_prob(self, quantiles: tf.Tensor) -> tf.Tensor:
        """Returns log N(q; 0, R), [batch...]."""
        square = tf.reduce_sum(self._white(quantiles) ** 2, axis=-1)
        constant = 0.5 * self.dimension * np.log(2 * np.pi)
        return -0.5 * square - constant - self._half_log_det()

    def log_density_of_scores(self, scores: tf.Tensor) -> tf.Tensor:
        """Returns log c(u) from q = Φ⁻¹(u), [batch..., D] → [batch...]."""
        white = self._white(scores)
        # (q − e)(q + e) for q² − e²: the squares of far scores would cancel.
        difference = tf.reduce_sum((scores - white) * (scores + white), axis=-1)
        return 0.5 * difference - self._half_log_det()

    def sample_quantiles(self, n: Any, seed: Any) -> tf.Tensor:
        """Draws q = L e, [n, D]."""
        return self._colored(standard_normal([n, self.dimension], seed, self.dtype))

    def sample_tails(self, n: Any, seed: Any) -> LogTails:
        """Draws (ln u, ln(1 − u)), each [n, D], with gradients to L."""
        return normal_log_tails(self.sample_quantiles(n, seed))

    def _rosenblatt(self, tails: LogTails) -> tf.Tensor:
        return tf.exp(normal_log_tails(self._white(normal_quantile(tails))).below)

    def _inverse_rosenblatt(self, w: tf.Tensor) -> LogTails:
        white = normal_quantile(LogTails.from_probability(w))
        return normal_log_tails(self._colored(white))
