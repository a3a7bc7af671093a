"""A body with generalized Pareto tails, each side with a tail index of its own."""

from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

from tfp_flows.distributions.marginals.log_tails import (
    check_marginal,
    log_tails_of,
    quantile_of,
)
from tfp_flows.distributions.marginals.tailed_marginal import TailedMarginal
from tfp_flows.ops.exponential import uniform_log_tails
from tfp_flows.ops.log_tails import LogTails

__all__ = ["GeneralizedParetoTails"]


class GeneralizedParetoTails(TailedMarginal):
    """The body's density f within its quantiles p and 1 − p, Pareto tails beyond.

    Above b = F⁻¹(1 − p), with excess y = (x − b) / σ and concentration ξ ≥ 0,

        1 − F(x) = p (1 + ξ y)^(−1/ξ),  σ = p / f(b),

    and alike below a = F⁻¹(p). That σ makes the density continuous. ξ = 0 is an
    exponential tail; P(X > x) falls as x^(−1/ξ) otherwise: the tail index is 1/ξ.
    Samples are reparameterized.

    Args:
        body: a distribution of scalars with cdf and quantile.
        lower_concentration: ξ ≥ 0 of the lower tail, of the body's batch shape.
        upper_concentration: ξ ≥ 0 of the upper tail, likewise.
        tail_probability: p, the mass of each tail, in (0, ½).
        validate_args: as in TFP.
        name: name of the distribution.

    Raises:
        ValueError: a negative ξ, a p outside of (0, ½) or a body without a quantile.

    Example:
        >>> tailed = GeneralizedParetoTails(tfd.Normal(0.0, 1.0), 0.5, 0.25)
        >>> tailed.quantile([1e-6, 0.001]).numpy().round(0).tolist()
        [-217.0, -8.0]

    Reference: Carreau and Bengio (2009), "A hybrid Pareto model for asymmetric
    fat-tailed data"; McNeil, Frey, Embrechts (2015), "Quantitative Risk Management",
    section 5.2.
    """

    def __init__(
        self,
        body: tfd.Distribution,
        lower_concentration: Any,
        upper_concentration: Any,
        *,
        tail_probability: float = 0.05,
        validate_args: bool = False,
        name: str = "GeneralizedParetoTails",
    ) -> None:
        check_marginal(body, f"body of {name}")
        if not 0 < tail_probability < 0.5:
            raise ValueError(
                f"tail_probability of {name}: expected a number between 0 and 0.5, "
                f"received {tail_probability}."
            )
        self._body = body
        self._lower = _concentration(lower_concentration, body.dtype, f"lower {name}")
        self._upper = _concentration(upper_concentration, body.dtype, f"upper {name}")
        self._tail_probability = tail_probability
        super().__init__(dtype=body.dtype)

    @classmethod
    def _parameter_properties(cls, dtype: Any, num_classes: int | None = None) -> dict:
        concentration = tfp.util.ParameterProperties(
            default_constraining_bijector_fn=tfb.Softplus
        )
        return {
            "body": tfp.util.BatchedComponentProperties(),
            "lower_concentration": concentration,
            "upper_concentration": concentration,
        }

    @property
    def body(self) -> tfd.Distribution:
        """The distribution between the thresholds."""
        return self._body

    @property
    def lower_concentration(self) -> Any:
        """ξ of the lower tail."""
        return self._lower

    @property
    def upper_concentration(self) -> Any:
        """ξ of the upper tail."""
        return self._upper

    def log_tails(self, x: tf.Tensor) -> LogTails:
        """Returns (ln F(x), ln(1 − F(x))), each [sample..., batch...]."""
        x = tf.convert_to_tensor(x, self.dtype)
        low, high = self._excess(x)
        outside = (low > 0) | (high > 0)
        inner = log_tails_of(self.body, self._clipped(x))
        log_p = tf.math.log(tf.constant(self._tail_probability, self.dtype))
        log_tail = log_p - tf.where(
            low > 0, _log_ratio(low, self._lower), _log_ratio(high, self._upper)
        )
        outer = LogTails.from_smaller(log_tail, low > 0)
        return LogTails(
            tf.where(outside, outer.below, inner.below),
            tf.where(outside, outer.above, inner.above),
        )

    def quantile_of_tails(self, tails: LogTails) -> tf.Tensor:
        """Returns F⁻¹(u), [sample..., batch...], from (ln u, ln(1 − u))."""
        log_p = tf.math.log(tf.constant(self._tail_probability, self.dtype))
        depth = log_p - tails.smaller()
        outside, is_below = depth > 0, tails.below <= tails.above
        depth = tf.where(outside, depth, tf.zeros_like(depth))
        (a, b), (low_scale, high_scale) = self._thresholds()
        below = a - low_scale * _from_log_ratio(depth, self._lower)
        above = b + high_scale * _from_log_ratio(depth, self._upper)
        middle = LogTails(
            tf.where(outside, log_half(self.dtype), tails.below),
            tf.where(outside, log_half(self.dtype), tails.above),
        )
        inner = quantile_of(self.body, middle)
        return tf.where(outside, tf.where(is_below, below, above), inner)

    def _thresholds(self) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
        """(a, b) and the scales p / f(a), p / f(b), each of the batch shape."""
        p = tf.constant(self._tail_probability, self.dtype)
        tails = LogTails(tf.math.log(p), tf.math.log1p(-p))
        points = quantile_of(self.body, tails), quantile_of(self.body, tails.flipped())
        scales = tuple(p / self.body.prob(point) for point in points)
        return points, scales

    def _excess(self, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """How far x is beyond each threshold, in scales, 0 where it is not."""
        (a, b), (low_scale, high_scale) = self._thresholds()
        return tf.nn.relu((a - x) / low_scale), tf.nn.relu((x - b) / high_scale)

    def _clipped(self, x: tf.Tensor) -> tf.Tensor:
        """Returns x within the thresholds, else the nearer one: nothing overflows."""
        (a, b), _ = self._thresholds()
        return tf.clip_by_value(x, a, b)

    def _log_prob(self, x: tf.Tensor) -> tf.Tensor:
        low, high = self._excess(x)
        body = self.body.log_prob(self._clipped(x))
        lower = (1 + self._lower) * _log_ratio(low, self._lower)
        upper = (1 + self._upper) * _log_ratio(high, self._upper)
        return body - lower - upper

    def _sample_n(self, n: Any, seed: Any = None) -> tf.Tensor:
        shape = tf.concat([[n], self.batch_shape_tensor()], 0)
        return self.quantile_of_tails(uniform_log_tails(shape, seed, self.dtype))


def log_half(dtype: tf.DType) -> tf.Tensor:
    """Returns ln ½."""
    return tf.math.log(tf.constant(0.5, dtype))


def _log_ratio(y: tf.Tensor, concentration: Any) -> tf.Tensor:
    """ln(1 + ξy) / ξ, which is y at ξ = 0."""
    xi = tf.convert_to_tensor(concentration)
    is_zero = tf.equal(xi, 0)
    safe = tf.where(is_zero, tf.ones_like(xi), xi)
    return tf.where(is_zero, y, tf.math.log1p(safe * y) / safe)


def _from_log_ratio(log_ratio: tf.Tensor, concentration: Any) -> tf.Tensor:
    """(exp(ξℓ) − 1) / ξ, which is ℓ at ξ = 0."""
    xi = tf.convert_to_tensor(concentration)
    is_zero = tf.equal(xi, 0)
    safe = tf.where(is_zero, tf.ones_like(xi), xi)
    return tf.where(is_zero, log_ratio, tf.math.expm1(safe * log_ratio) / safe)


def _concentration(value: Any, dtype: tf.DType, label: str) -> Any:
    is_reference = isinstance(value, tf.Variable | tfp.util.DeferredTensor)
    checked = value if is_reference else tf.convert_to_tensor(value, dtype)
    known = tf.get_static_value(tf.convert_to_tensor(checked))
    if known is not None and not (known >= 0).all():
        raise ValueError(
            f"{label}: expected a concentration ≥ 0, the inverse of a tail index, "
            f"received {known.tolist()}."
        )
    return checked
