"""One-dimensional distributions by the logarithms of their tails."""

import math
from typing import Any

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfp_flows.ops.log_tails import LogTails
from tfp_flows.ops.normal import normal_log_tails, normal_quantile
from tfp_flows.ops.student_t import student_t_log_tails, student_t_quantile

__all__ = ["check_continuous", "check_marginal", "log_tails_of", "quantile_of"]


def log_tails_of(marginal: tfd.Distribution, x: tf.Tensor) -> LogTails:
    """Returns (ln F(x), ln(1 − F(x))) of a one-dimensional distribution.

    Normal, Laplace, Logistic, Cauchy and Student-t variables, mixtures of them and
    this package's own distributions are exact at any finite x. Of others the smaller
    tail is asked for, `cdf` or `survival_function`, which is exact as far as TFP is.

    Args:
        marginal: with event shape ().
        x: [sample..., batch...].
    """
    if hasattr(marginal, "log_tails"):
        return marginal.log_tails(x)
    if isinstance(marginal, tfd.Normal):
        return normal_log_tails(_standardized(marginal, x))
    if isinstance(marginal, tfd.StudentT | tfd.Cauchy):
        return student_t_log_tails(_standardized(marginal, x), _df(marginal, x.dtype))
    if isinstance(marginal, tfd.Laplace):
        z = _standardized(marginal, x)
        return LogTails.from_smaller(-tf.abs(z) - math.log(2), z < 0)
    if isinstance(marginal, tfd.Logistic):
        z = _standardized(marginal, x)
        return LogTails(-tf.nn.softplus(-z), -tf.nn.softplus(z))
    if isinstance(marginal, tfd.MixtureSameFamily):
        return _mixture_log_tails(marginal, x)
    below, above = marginal.cdf(x), marginal.survival_function(x)
    is_below = below <= 0.5
    return LogTails.from_smaller(
        tf.math.log(tf.where(is_below, below, above)), is_below
    )


def quantile_of(marginal: tfd.Distribution, tails: LogTails) -> tf.Tensor:
    """Returns F⁻¹(u), [sample..., batch...], from (ln u, ln(1 − u)).

    Exact at both ends for the distributions that `log_tails_of` names; of others the
    quantile is asked at u, and their upper tail ends where u rounds to 1.
    """
    if hasattr(marginal, "quantile_of_tails"):
        return marginal.quantile_of_tails(tails)
    if isinstance(marginal, tfd.Normal):
        return marginal.loc + marginal.scale * normal_quantile(tails)
    if isinstance(marginal, tfd.StudentT | tfd.Cauchy):
        df = _df(marginal, tails.below.dtype)
        return marginal.loc + marginal.scale * student_t_quantile(tails, df)
    if isinstance(marginal, tfd.Laplace):
        size = -(tails.smaller() + math.log(2))
        z = tf.where(tails.below <= tails.above, -size, size)
        return marginal.loc + marginal.scale * z
    if isinstance(marginal, tfd.Logistic):
        return marginal.loc + marginal.scale * (tails.below - tails.above)
    return marginal.quantile(tf.exp(tails.below))


def check_marginal(marginal: Any, label: str) -> None:
    """Refuses what cannot be a marginal.

    Raises:
        TypeError: no `tfd.Distribution`.
        ValueError: an event that is no scalar, discrete values, or no cdf or quantile.
    """
    if not isinstance(marginal, tfd.Distribution):
        raise TypeError(
            f"{label}: expected a tfp.distributions.Distribution, received "
            f"{type(marginal).__name__}."
        )
    if marginal.event_shape.rank != 0:
        raise ValueError(
            f"{label}, {marginal.name!r}: expected a distribution of scalars, event "
            f"shape (), received event shape {marginal.event_shape}. Instead of "
            "tfd.Independent or a multivariate distribution pass the batch of "
            "one-dimensional ones."
        )
    has_quantile = _defines(marginal, "_quantile")
    if not has_quantile:
        check_continuous(marginal, label)
    if not (_defines(marginal, "_cdf") or _defines(marginal, "_log_cdf")):
        raise ValueError(
            f"{label}, {marginal.name!r} ({type(marginal).__name__}): it has no cdf, "
            "from which its tails are taken. Choose a distribution that has one."
        )
    if not has_quantile:
        raise ValueError(
            f"{label}, {marginal.name!r} ({type(marginal).__name__}): it has no "
            "quantile, which sampling needs. Pass WithQuantile(distribution), which "
            "finds it from the cdf."
        )


def check_continuous(distribution: tfd.Distribution, label: str) -> None:
    """Refuses distributions of counts, categories and other discrete values.

    Raises:
        ValueError: they are discrete.
    """
    if _is_discrete(distribution):
        raise ValueError(
            f"{label}, {distribution.name!r} ({type(distribution).__name__}): expected "
            "a continuous distribution, received a discrete one, whose cdf has steps. "
            "Choose a continuous one, and put the flow into Dequantized where the data "
            "are counts."
        )


def _is_discrete(distribution: tfd.Distribution) -> bool:
    if isinstance(distribution, tfd.MixtureSameFamily):
        return _is_discrete(distribution.components_distribution)
    if isinstance(distribution, tfd.Mixture):
        return any(_is_discrete(component) for component in distribution.components)
    if isinstance(distribution, tfd.Deterministic) or distribution.dtype.is_integer:
        return True
    try:
        # TFP's way to say that the support is not continuous, but for mixtures.
        return distribution.experimental_default_event_space_bijector() is None
    except NotImplementedError:
        return False


def _defines(marginal: tfd.Distribution, method: str) -> bool:
    own = getattr(type(marginal), method, None)
    return own is not getattr(tfd.Distribution, method, None)


def _standardized(marginal: tfd.Distribution, x: tf.Tensor) -> tf.Tensor:
    return (x - marginal.loc) / marginal.scale


def _df(marginal: tfd.Distribution, dtype: tf.DType) -> Any:
    """A Cauchy variable is a t variable of one degree of freedom."""
    df = getattr(marginal, "df", 1.0)
    return tf.convert_to_tensor(df, dtype)


def _mixture_log_tails(mixture: tfd.MixtureSameFamily, x: tf.Tensor) -> LogTails:
    """F = Σₖ wₖ Fₖ and 1 − F = Σₖ wₖ (1 − Fₖ): each by its own sum."""
    tails = log_tails_of(mixture.components_distribution, x[..., tf.newaxis])
    weights = mixture.mixture_distribution
    log_weights = tf.math.log_softmax(weights.logits_parameter(), axis=-1)
    return LogTails(
        tf.reduce_logsumexp(log_weights + tails.below, axis=-1),
        tf.reduce_logsumexp(log_weights + tails.above, axis=-1),
    )
