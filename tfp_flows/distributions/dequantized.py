"""Integer-valued data under a continuous density."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from tfp_flows.distributions.recorded_distribution import RecordedDistribution
from tfp_flows.ops import uniform_from_hash

__all__ = ["Dequantized"]


class Dequantized(RecordedDistribution):
    """Probability of gridded data by uniform dequantization, a lower bound.

    A value x on the grid {0, ±Δ, ±2Δ, …} stands for the cell [x, x + Δ). With p the
    continuous density and u ~ U[0, 1)^D, the probability of the cell is
    P(x) = Δ^D · E_u p(x + Δu). `log_prob` estimates the lower bound (Jensen)

        D log Δ + E_u log p(x + Δu) ≤ log P(x)

    that published image likelihoods report. Features with Δ = 0 are continuous and
    pass unchanged: their part of the value is a log-density.

    With a seed, as in training, the estimate is one draw of u. Without one it is the
    mean over S stratified draws, uₛ = frac(h + s/S) with h a hash of the row: a
    function of x, the same in every batch and process. Images have pixels enough for
    S = 1. Rows of few columns with few values repeat, and equal rows have equal
    noise, which no number of rows averages out: give them S = 16 or more.

    Samples are rounded down to the grid and clipped to [low, high]; values outside
    have the log-probability −∞.

    Args:
        distribution: density p over ℝ^D (or images) with scalar batch shape.
        step: Δ, a number or one entry a feature (last axis); 0 means continuous.
        low: least value there is, a number or one entry a feature; None: no bound.
        high: largest value there is, likewise.
        num_samples: S ≥ 1.
        validate_args: as in TFP.
        name: name of the distribution.

    Example:
        >>> base = tfd.MultivariateNormalDiag([0.0, 0.0], [9.0, 9.0])
        >>> dist = Dequantized(base)
        >>> x = tf.constant([[1.0, 3.0]])
        >>> bool(dist.log_prob(x)[0] == dist.log_prob(tf.concat([x, x], 0))[1])
        True

    Reference: Theis et al. (2016), "A note on the evaluation of generative models",
    arXiv:1511.01844, eq. 5.
    """

    def __init__(
        self,
        distribution: tfd.Distribution,
        step: float | Sequence[float] = 1.0,
        *,
        low: float | Sequence[float] | None = None,
        high: float | Sequence[float] | None = None,
        num_samples: int = 1,
        validate_args: bool = False,
        name: str = "dequantized",
    ) -> None:
        steps = np.asarray(step, "float64")
        if not np.all(np.isfinite(steps)) or np.any(steps < 0) or not np.any(steps):
            raise ValueError(
                "step must hold non-negative sizes, at least one of them positive; "
                f"received {step}."
            )
        if num_samples < 1:
            raise ValueError(f"num_samples must be at least 1, received {num_samples}.")
        self._distribution = distribution
        self._num_samples = num_samples
        self._low = -np.inf if low is None else np.asarray(low, "float64")
        self._high = np.inf if high is None else np.asarray(high, "float64")
        if not np.all(self._low < self._high):
            raise ValueError(f"low must be below high, received {low} and {high}.")
        self._step = np.broadcast_to(steps, distribution.event_shape.as_list()).copy()
        super().__init__(
            dtype=distribution.dtype, reparameterization_type=tfd.NOT_REPARAMETERIZED
        )

    @classmethod
    def _parameter_properties(cls, dtype: Any, num_classes: int | None = None) -> dict:
        return {"distribution": tfp.util.BatchedComponentProperties()}

    @property
    def distribution(self) -> tfd.Distribution:
        """The continuous density p."""
        return self._distribution

    @property
    def step(self) -> np.ndarray:
        """Δ per feature, of the event's shape."""
        return self._step

    def dequantize(self, x: tf.Tensor, seed: Any = None) -> tf.Tensor:
        """Returns x + Δu, with u from the seed, or hashed from x without one.

        Args:
            x: [batch..., event...] on the grid.
            seed: stateless seed of shape [2], or None.
        """
        x = tf.convert_to_tensor(x, self.dtype)
        if seed is None:
            noise = self._hashed_noise(x)
        else:
            noise = tf.random.stateless_uniform(tf.shape(x), seed, dtype=self.dtype)
        return x + tf.constant(self._step, self.dtype) * noise

    def _hashed_noise(self, x: tf.Tensor) -> tf.Tensor:
        batch_shape = tf.shape(x)[: tf.rank(x) - len(self.event_shape)]
        rows = tf.reshape(x, tf.concat([batch_shape, [-1]], 0))
        return tf.reshape(uniform_from_hash(rows, salt=0), tf.shape(x))

    def quantize(self, y: tf.Tensor) -> tf.Tensor:
        """Returns the grid point of the cell that y lies in, within the bounds."""
        gridded = self._step > 0
        step = tf.constant(np.where(gridded, self._step, 1.0), self.dtype)
        x = tf.where(gridded, tf.floor(y / step) * step, y)
        return self._clip(x)

    def _clip(self, x: tf.Tensor) -> tf.Tensor:
        low, high = (tf.constant(b, self.dtype) for b in (self._low, self._high))
        return tf.minimum(tf.maximum(x, low), high)

    def _log_prob(self, value: tf.Tensor, seed: Any = None, **kwargs: Any) -> tf.Tensor:
        x = self._clip(value)
        event_axes = list(range(-len(self.event_shape), 0))
        inside = tf.reduce_all(tf.equal(x, value), axis=event_axes)
        if seed is not None:
            bound = self._distribution.log_prob(self.dequantize(x, seed), **kwargs)
        else:
            bound = self._stratified_bound(x, **kwargs)
        bound += tf.constant(np.sum(np.log(self._step[self._step > 0])), self.dtype)
        # Clipped before, selected after: no NaN reaches the branch not taken. A NaN
        # in x equals nothing, yet is not outside: it comes out as NaN.
        outside = tf.logical_not(inside | tf.math.is_nan(bound))
        return tf.where(outside, tf.constant(-np.inf, self.dtype), bound)

    def _stratified_bound(self, x: tf.Tensor, **kwargs: Any) -> tf.Tensor:
        """Mean of log p over S shifted copies of the hashed noise."""
        offsets = np.arange(self._num_samples) / self._num_samples
        shape = [self._num_samples] + [1] * x.shape.rank
        noise = self._hashed_noise(x) + tf.constant(offsets.reshape(shape), self.dtype)
        step = tf.constant(self._step, self.dtype)
        # The strata are a leading batch axis: one evaluation, not S.
        shifted = x + step * (noise - tf.floor(noise))
        return tf.reduce_mean(self._distribution.log_prob(shifted, **kwargs), axis=0)

    def _call_sample_n(self, sample_shape: Any, seed: Any, **kwargs: Any) -> tf.Tensor:
        # Not by `_sample_n`, which gets a flat number: a conditional distribution
        # needs the batch axes of its context.
        sample = self._distribution.sample(sample_shape, seed=seed, **kwargs)
        return self.quantize(sample)

    def _event_shape(self) -> tf.TensorShape:
        return self._distribution.event_shape

    def _event_shape_tensor(self) -> tf.Tensor:
        return self._distribution.event_shape_tensor()

    def _default_event_space_bijector(self) -> Any:
        return self._distribution.experimental_default_event_space_bijector()
