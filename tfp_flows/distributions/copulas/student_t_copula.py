"""The Student-t copula: correlation and dependence in both tails."""

from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import bijectors as tfb

from tfp_flows.distributions.copulas.copula import TailDependence, scalar_parameter
from tfp_flows.distributions.copulas.correlation import (
    checked_factor,
    factor_properties,
)
from tfp_flows.distributions.copulas.elliptical_copula import (
    EllipticalCopula,
    standard_normal,
)
from tfp_flows.ops.log_tails import LogTails
from tfp_flows.ops.student_t import (
    student_t_asinh_quantile,
    student_t_log_prob,
    student_t_log_tails,
    student_t_quantile,
)

__all__ = ["StudentTCopula"]


class StudentTCopula(EllipticalCopula):
    """c of the multivariate t: log c = log t_ν,R(q) − Σᵢ log t_ν(qᵢ), qᵢ = T_ν⁻¹(uᵢ).

    Dependent in both tails, also for R = I:
    λ_L = λ_U = 2 T_ν₊₁(−√((ν + 1)(1 − ρ)/(1 + ρ))); τ = (2/π) arcsin ρ. Samples are
    reparameterized in L and ν.

    Args:
        df: ν > 0, a number, or a variable that stays positive, such as
            ``tfp.util.TransformedVariable(5.0, tfb.Softplus(low=0.1))``. The same
            object as the marginals' makes a multivariate t without detour.
        correlation_cholesky: L, as in `GaussianCopula`.
        dtype: floating dtype where the arguments are numbers.
        validate_args: as in TFP.
        name: name of the distribution.

    Raises:
        ValueError: ν ≤ 0, or L is not the factor of a correlation matrix.

    Example:
        >>> from tfp_flows.distributions import correlation_factor
        >>> copula = StudentTCopula(4.0, correlation_factor([[1.0, 0.5], [0.5, 1.0]]))
        >>> copula.tail_dependence.upper[0, 1].numpy().round(4).item()
        0.2531999945640564

    Reference: Demarta and McNeil (2005), "The t copula and related copulas".
    """

    def __init__(
        self,
        df: Any,
        correlation_cholesky: Any,
        *,
        dtype: Any = "float32",
        validate_args: bool = False,
        name: str = "StudentTCopula",
    ) -> None:
        self._factor = checked_factor(correlation_cholesky, dtype, name)
        self._df = scalar_parameter(
            df, self._factor.dtype, low=0.0, strict=True, name=f"df of {name}"
        )
        super().__init__(self._factor.shape[0], dtype=self._factor.dtype, name=name)

    @classmethod
    def _parameter_properties(cls, dtype: Any, num_classes: int | None = None) -> dict:
        return {
            "df": tfp.util.ParameterProperties(
                default_constraining_bijector_fn=lambda: tfb.Softplus(low=0.1)
            ),
            "correlation_cholesky": factor_properties(),
        }

    @property
    def df(self) -> Any:
        """ν, degrees of freedom."""
        return self._df

    @property
    def correlation_cholesky(self) -> Any:
        """L of R = L Lᵀ, [D, D]."""
        return self._factor

    @property
    def tail_dependence(self) -> TailDependence:
        """λ_L = λ_U = 2 T_ν₊₁(−√((ν + 1)(1 − ρ)/(1 + ρ))); two of [D, D]."""
        df = tf.convert_to_tensor(self.df)
        correlation = self.correlation
        rest = tf.linalg.set_diag(1 - correlation, tf.zeros_like(correlation[0]))
        argument = tf.sqrt((df + 1) * rest / (1 + correlation))
        coefficient = 2 * tf.exp(student_t_log_tails(-argument, df + 1).below)
        coefficient = tf.linalg.set_diag(coefficient, tf.ones_like(correlation[0]))
        return TailDependence(coefficient, coefficient)

    def scores(self, tails: LogTails) -> tf.Tensor:
        """Returns w of T_ν⁻¹(u) = √ν sinh w, [batch..., D]: −ln(1 − u) / ν far out."""
        return student_t_asinh_quantile(tails, self.df)

    def scores_of_quantiles(self, quantiles: tf.Tensor) -> tf.Tensor:
        """Returns w = asinh(q / √ν), [batch..., D]."""
        return tf.asinh(quantiles / tf.sqrt(tf.convert_to_tensor(self.df)))

    def joint_log_prob(self, quantiles: tf.Tensor) -> tf.Tensor:
        """Returns log t_ν,R(q), [batch...]."""
        df = tf.convert_to_tensor(self.df)
        log_norm = _log1p_square_norm(self._white(quantiles) / tf.sqrt(df))
        return self._joint(df, log_norm)

    def log_density_of_scores(self, scores: tf.Tensor) -> tf.Tensor:
        """Returns log c(u) from w, [batch..., D] → [batch...].

        Also where sinh w leaves the dtype: the greatest |w| of a row is taken out.
        """
        df = tf.convert_to_tensor(self.df)
        size = tf.abs(scores)
        largest = tf.reduce_max(tf.stop_gradient(size), axis=-1, keepdims=True)
        largest = tf.where(largest > 1, largest, tf.zeros_like(largest))
        scaled = 0.5 * (tf.exp(scores - largest) - tf.exp(-scores - largest))
        square = tf.reduce_sum(self._white(scaled) ** 2, axis=-1)
        log_norm = _log_one_plus_scaled(square, largest[..., 0])
        # ln cosh w.
        log_cosh = size + tf.math.log1p(tf.exp(-2 * size)) - np.log(2)
        marginals = student_t_log_prob(tf.zeros([], self.dtype), df) * self.dimension
        marginals -= (df + 1) * tf.reduce_sum(log_cosh, axis=-1)
        return self._joint(df, log_norm) - marginals

    def _joint(self, df: tf.Tensor, log_norm: tf.Tensor) -> tf.Tensor:
        """Returns log t_ν,R from ln(1 + qᵀ R⁻¹ q / ν)."""
        size = self.dimension
        constant = (
            tf.math.lgamma((df + size) / 2)
            - tf.math.lgamma(df / 2)
            - 0.5 * size * tf.math.log(np.pi * df)
        )
        return constant - self._half_log_det() - (df + size) / 2 * log_norm

    def sample_quantiles(self, n: Any, seed: Any) -> tf.Tensor:
        """Draws q = L e √(ν/W), W ~ χ²_ν, [n, D]."""
        normal_seed, mixing_seed = tfp.random.split_seed(seed, 2)
        df = tf.convert_to_tensor(self.df)
        white = standard_normal([n, self.dimension], normal_seed, self.dtype)
        mixing = tfp.distributions.ExpGamma(df / 2, tf.constant(0.5, self.dtype))
        log_w = mixing.sample([n, 1], seed=mixing_seed)
        return self._colored(white) * tf.exp(0.5 * (tf.math.log(df) - log_w))

    def sample_tails(self, n: Any, seed: Any) -> LogTails:
        """Draws (ln u, ln(1 − u)), each [n, D], with gradients to L and ν."""
        df = tf.convert_to_tensor(self.df)
        return student_t_log_tails(self.sample_quantiles(n, seed), df)

    def _rosenblatt(self, tails: LogTails) -> tf.Tensor:
        """Given the first j − 1 quantiles the next is a t variable of ν + j − 1."""
        df, order = self._conditional_df()
        white = self._white(student_t_quantile(tails, df))
        before = df + tf.cumsum(white**2, axis=-1, exclusive=True)
        scaled = white * tf.sqrt(order / before)
        return tf.exp(student_t_log_tails(scaled, order).below)

    def _inverse_rosenblatt(self, w: tf.Tensor) -> LogTails:
        df, order = self._conditional_df()
        scaled = student_t_quantile(LogTails.from_probability(w), order)
        # ν + Σᵢ≤ⱼ eᵢ² = (ν + Σᵢ<ⱼ eᵢ²)(1 + rⱼ² / (ν + j − 1)) for the scaled rⱼ.
        before = df * tf.math.cumprod(1 + scaled**2 / order, axis=-1, exclusive=True)
        quantiles = self._colored(scaled * tf.sqrt(before / order))
        return student_t_log_tails(quantiles, df)

    def _conditional_df(self) -> tuple[tf.Tensor, tf.Tensor]:
        df = tf.convert_to_tensor(self.df)
        return df, df + tf.range(self.dimension, dtype=self.dtype)


def _log1p_square_norm(x: tf.Tensor) -> tf.Tensor:
    """ln(1 + Σᵢ xᵢ²) over the last axis, where the squares may overflow."""
    largest = tf.reduce_max(tf.abs(tf.stop_gradient(x)), axis=-1, keepdims=True)
    scale = tf.where(largest > 1e3, largest, tf.ones_like(largest))
    square = tf.reduce_sum((x / scale) ** 2, axis=-1)
    return _log_one_plus_scaled(square, tf.math.log(scale[..., 0]))


def _log_one_plus_scaled(square: tf.Tensor, log_scale: tf.Tensor) -> tf.Tensor:
    """ln(1 + s e^2ℓ) for s of order one where ℓ > 0, else for any s ≥ 0."""
    is_scaled = log_scale > 0
    safe = tf.where(is_scaled, square, tf.ones_like(square))
    scaled = 2 * log_scale + tf.math.log(tf.exp(-2 * log_scale) + safe)
    plain = tf.math.log1p(tf.where(is_scaled, tf.zeros_like(square), square))
    return tf.where(is_scaled, scaled, plain)
