"""A quantile for distributions that have only a cdf."""

from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from tfp_flows.distributions.marginals.log_tails import (
    check_continuous,
    log_tails_of,
    quantile_of,
)
from tfp_flows.distributions.marginals.tailed_marginal import TailedMarginal
from tfp_flows.ops.log_tails import LogTails

__all__ = ["WithQuantile"]

# As many as bisection would need at worst.
_ITERATIONS = {"float32": 60, "float64": 120}


class WithQuantile(TailedMarginal):
    """A one-dimensional distribution with its quantile found from its cdf.

    The root of ln F(x) = ln u, or of ln(1 − F(x)) = ln(1 − u) where that is the
    smaller tail, in a bracket by TFP's `find_root_chandrupatla`. The bracket of a
    mixture is exact, from the least to the greatest quantile of its components;
    others are bracketed by `tfp.math.bracket_root`, which asks for the cdf at 512
    points for each result. Gradients are implicit: with f the density,
    dx = (du − ∂F/∂φ · dφ) / f. All else is the distribution's own.

    Args:
        distribution: continuous, with event shape () and a cdf, for example a
            `tfd.MixtureSameFamily`.
        validate_args: as in TFP.
        name: name of the distribution.

    Raises:
        ValueError: an event that is no scalar, or discrete values.

    Example:
        >>> mixture = tfd.MixtureSameFamily(
        ...     tfd.Categorical(probs=[0.5, 0.5]), tfd.Normal([-3.0, 3.0], 1.0))
        >>> WithQuantile(mixture).quantile([0.25, 0.75]).numpy().round(3).tolist()
        [-3.0, 3.0]

    Reference: Chandrupatla (1997), "A new hybrid quadratic/bisection algorithm for
    finding the zero of a nonlinear function".
    """

    def __init__(
        self,
        distribution: tfd.Distribution,
        *,
        validate_args: bool = False,
        name: str = "WithQuantile",
    ) -> None:
        if distribution.event_shape.rank != 0:
            raise ValueError(
                f"{name}: expected a distribution of scalars, received "
                f"{distribution.name!r} of event shape {distribution.event_shape}."
            )
        check_continuous(distribution, name)
        self._distribution = distribution
        super().__init__(
            dtype=distribution.dtype,
            reparameterization_type=distribution.reparameterization_type,
        )

    @classmethod
    def _parameter_properties(cls, dtype: Any, num_classes: int | None = None) -> dict:
        return {"distribution": tfp.util.BatchedComponentProperties()}

    @property
    def distribution(self) -> tfd.Distribution:
        """The distribution that the quantile is added to."""
        return self._distribution

    def log_tails(self, x: tf.Tensor) -> LogTails:
        """Returns (ln F(x), ln(1 − F(x))), each [sample..., batch...]."""
        return log_tails_of(self.distribution, tf.convert_to_tensor(x, self.dtype))

    def quantile_of_tails(self, tails: LogTails) -> tf.Tensor:
        """Returns F⁻¹(u), [sample..., batch...], from (ln u, ln(1 − u))."""
        shape = tf.broadcast_dynamic_shape(
            tf.shape(tails.below), self.batch_shape_tensor()
        )
        tails = LogTails(*(tf.broadcast_to(part, shape) for part in tails))
        is_below = tails.below <= tails.above
        fixed = LogTails(*(tf.stop_gradient(part) for part in tails))

        def excess(x: tf.Tensor, target: LogTails = fixed) -> tf.Tensor:
            found = self.log_tails(x)
            return tf.where(
                is_below, found.below - target.below, target.above - found.above
            )

        def bounded(x: tf.Tensor) -> tf.Tensor:
            # Below the support ln F is −∞, which no method can interpolate.
            return tf.tanh(excess(x))

        low, high = self._bracket(fixed, bounded)
        root = tfp.math.find_root_chandrupatla(
            bounded, low, high, max_iterations=_ITERATIONS[self.dtype.name]
        ).estimated_root
        x = tf.stop_gradient(root)
        # One Newton step that is zero in value carries the implicit gradient.
        log_tail = fixed.smaller()
        slope = tf.stop_gradient(tf.exp(self.log_prob(x) - log_tail))
        return x - excess(x, tails) / slope

    def _bracket(self, tails: LogTails, excess: Any) -> tuple[tf.Tensor, tf.Tensor]:
        inner = self.distribution
        if not isinstance(inner, tfd.MixtureSameFamily):
            return tfp.math.bracket_root(excess, dtype=self.dtype)
        expanded = LogTails(*(part[..., tf.newaxis] for part in tails))
        each = quantile_of(inner.components_distribution, expanded)
        low, high = tf.reduce_min(each, axis=-1), tf.reduce_max(each, axis=-1)
        # Components that agree leave an interval of rounding errors.
        margin = 1e-3 * (high - low) + 1e-5 * (1 + tf.abs(low) + tf.abs(high))
        return tf.stop_gradient(low - margin), tf.stop_gradient(high + margin)

    def _log_prob(self, x: tf.Tensor) -> tf.Tensor:
        return self.distribution.log_prob(x)

    def _sample_n(self, n: Any, seed: Any = None) -> tf.Tensor:
        return self.distribution.sample(n, seed=seed)

    def _mean(self) -> tf.Tensor:
        return self.distribution.mean()

    def _variance(self) -> tf.Tensor:
        return self.distribution.variance()

    def _default_event_space_bijector(self) -> Any:
        return self.distribution.experimental_default_event_space_bijector()
