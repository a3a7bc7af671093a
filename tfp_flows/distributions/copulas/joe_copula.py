"""Joe's copula of two variables: strong dependence in the upper tail."""

from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from tfp_flows.distributions.copulas.archimedean_copula import ArchimedeanCopula
from tfp_flows.distributions.copulas.copula import TailDependence
from tfp_flows.ops.exponential import log_exponential
from tfp_flows.ops.log_tails import LogTails, log1mexp, log1mexp_of_log, log_neg_log

__all__ = ["JoeCopula"]

# Beyond this ln V a whole number and the real number that it was rounded from agree
# in every digit.
_LARGE = 12.0


class JoeCopula(ArchimedeanCopula):
    """C(u, v) = 1 − (ūᶿ + v̄ᶿ − ūᶿ v̄ᶿ)^(1/θ), ū = 1 − u, θ ≥ 1; independence at 1.

        s = ūᶿ + v̄ᶿ − (ū v̄)ᶿ
        log c = (1/θ − 2) ln s + (θ − 1)(ln ū + ln v̄) + ln(θ − 1 + s)

    τ = 1 − 4 Σₖ 1 / (k (θk + 2)(θ(k − 1) + 2)), λ_L = 0, λ_U = 2 − 2^(1/θ). Sampling
    (Marshall and Olkin) has a discrete step and is not reparameterized.

    Args:
        theta: θ ≥ 1, a number, or a variable that stays there, such as
            ``tfp.util.TransformedVariable(2.0, tfb.Softplus(low=1.0))``.
        dimension: 2.
        dtype: floating dtype where theta is a number.
        validate_args: as in TFP.
        name: name of the distribution; that of the class if None.

    Raises:
        ValueError: another dimension than 2.

    Example:
        >>> JoeCopula(2.5).kendall_tau[0, 1].numpy().round(4).item()
        0.4487999975681305

    Reference: Joe (1993), "Parametric families of multivariate distributions with
    given margins"; Hofert (2008), "Sampling Archimedean copulas".
    """

    _LEAST_TRAINABLE = 1.0
    _RANGE = (1.0, False)

    def __init__(
        self,
        theta: Any,
        dimension: int = 2,
        *,
        dtype: Any = "float32",
        validate_args: bool = False,
        name: str | None = None,
    ) -> None:
        super().__init__(
            theta, dimension, dtype=dtype, validate_args=validate_args, name=name
        )

    @property
    def kendall_tau(self) -> tf.Tensor:
        """τ of each pair, [2, 2]; the series to 10⁻¹⁰, its remainder by an integral."""
        theta = tf.cast(self.theta, tf.float64)
        last = 20_000
        k = tf.constant(np.arange(1, last + 1), tf.float64)
        terms = 1 / (k * (theta * k + 2) * (theta * (k - 1) + 2))
        remainder = 1 / (2 * theta**2 * (last + 0.5) ** 2)
        tau = 1 - 4 * (tf.reduce_sum(terms) + remainder)
        return self._of_each_pair(tau)

    @property
    def tail_dependence(self) -> TailDependence:
        """λ_L = 0, λ_U = 2 − 2^(1/θ); two of [2, 2]."""
        upper = 2 - 2.0 ** (1 / tf.convert_to_tensor(self.theta))
        return TailDependence(self._of_each_pair(0), self._of_each_pair(upper))

    def log_density(self, tails: LogTails) -> tf.Tensor:
        """Returns log c(u), [batch...]."""
        theta = tf.convert_to_tensor(self.theta)
        log_s = _log_s(theta, tails)
        return (
            (1 / theta - 2) * log_s
            + (theta - 1) * tf.reduce_sum(tails.above, axis=-1)
            + tf.math.log(theta - 1 + tf.exp(log_s))
        )

    def sample_tails(self, n: Any, seed: Any) -> LogTails:
        """Draws (ln u, ln(1 − u)), each [n, 2]."""
        theta = tf.convert_to_tensor(self.theta)
        mixing_seed, seed = tfp.random.split_seed(seed, 2)
        log_v = _log_sibuya([n, 1], mixing_seed, 1 / theta)
        log_e = log_exponential([n, 2], seed, self.dtype)
        log_survival = log1mexp(tf.exp(log_e - log_v)) / theta
        return LogTails.from_below(log_survival).flipped()

    def _checked_theta(self, theta: Any, dimension: int, dtype: Any, label: str) -> Any:
        if dimension != 2:
            raise ValueError(
                f"{label}: expected dimension 2, received {dimension}. GumbelCopula "
                "has the same upper tail dependence in any dimension."
            )
        return super()._checked_theta(theta, dimension, dtype, label)

    def _is_reparameterized(self, dimension: int) -> bool:
        return False

    def _rosenblatt(self, tails: LogTails) -> tf.Tensor:
        theta = tf.convert_to_tensor(self.theta)
        log_conditional = (
            (1 / theta - 1) * _log_s(theta, tails)
            + (theta - 1) * tails.above[..., 0]
            + _log_one_minus_power(theta, tails)[1]
        )
        return tf.exp(tf.stack([tails.below[..., 0], log_conditional], axis=-1))


def _log_s(theta: tf.Tensor, tails: LogTails) -> tf.Tensor:
    """ln(ūᶿ + v̄ᶿ (1 − ūᶿ)): a sum of positive terms."""
    first, second = tf.unstack(theta * tails.above, axis=-1)
    return tfp.math.log_add_exp(first, second + _log_one_minus_power(theta, tails)[0])


def _log_one_minus_power(theta: tf.Tensor, tails: LogTails) -> list[tf.Tensor]:
    """ln(1 − ūᶿ) of both variables, also where u is too small for its dtype."""
    log_y = tf.math.log(theta) + log_neg_log(tails.flipped())
    return tf.unstack(log1mexp_of_log(log_y), axis=-1)


def _log_sibuya(shape: Any, seed: Any, a: tf.Tensor) -> tf.Tensor:
    """Draws ln V with E sⱽ = 1 − (1 − s)ᵃ: geometric with probability Beta(a, 1 − a).

    For B that probability and E standard exponential, V = 1 + ⌊E / −ln(1 − B)⌋.
    """
    seeds = tfp.random.split_seed(seed, 3)
    # At a = 1, V is 1: a shape of 0 is the limit, which the sampler lacks.
    rest = tf.maximum(1 - a, tf.constant(np.finfo("float32").tiny, a.dtype))
    one = tf.ones_like(a)
    log_first = tfd.ExpGamma(a, one).sample(shape, seed=seeds[0])
    log_second = tfd.ExpGamma(rest, one).sample(shape, seed=seeds[1])
    log_b = log_first - tfp.math.log_add_exp(log_first, log_second)
    log_rest = log_second - tfp.math.log_add_exp(log_first, log_second)
    log_e = log_exponential(shape, seeds[2], a.dtype)
    log_trials = log_e - log_neg_log(LogTails(log_rest, log_b))
    whole = tf.math.log1p(tf.floor(tf.exp(tf.minimum(log_trials, _LARGE))))
    return tf.stop_gradient(tf.where(log_trials > _LARGE, log_trials, whole))
