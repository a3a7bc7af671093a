"""Integer-valued data under a continuous density."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from tfp_flows.ops import uniform_from_hash

__all__ = ["Dequantized"]


class Dequantized(tfd.Distribution):
    """Probability of gridded data by uniform dequantisation, a lower bound.

    A value x on the grid {0, ±Δ, ±2Δ, …} stands for the cell [x, x + Δ). With p the
    continuous density and u ~ U[0, 1)^D, the probability of the cell is
    P(x) = Δ^D · E_u p(x + Δu), and `log_prob` returns, with S draws of u,

        D log Δ + log (1/S) Σₛ p(x + Δ uₛ),   whose mean is ≤ log P(x) (Jensen).

    With S = 1 this is the bound that published image likelihoods report; it rises to
    log P(x) as S grows. Features with Δ = 0 are continuous and pass unchanged: their
    part of the value is a log-density.

    Without a seed the noise is a hash of the row, so that `log_prob` is a function:
    the same row has the same value in every batch and process. Training passes a
    seed and sees fresh noise in every step. Samples are rounded down to the grid.

    Args:
        distribution: density p over ℝ^D (or images) with scalar batch shape.
        step: Δ, a number or one entry a feature (last axis); 0 means continuous.
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
    arXiv:1511.01844, eq. 5; several draws: Burda et al. (2016), arXiv:1509.00519.
    """

    def __init__(
        self,
        distribution: tfd.Distribution,
        step: float | Sequence[float] = 1.0,
        *,
        num_samples: int = 1,
        validate_args: bool = False,
        name: str = "dequantized",
    ) -> None:
        parameters = {
            "distribution": distribution,
            "step": step,
            "num_samples": num_samples,
            "validate_args": validate_args,
            "name": name,
        }
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
        self._step = np.broadcast_to(steps, distribution.event_shape.as_list()).copy()
        super().__init__(
            dtype=distribution.dtype,
            reparameterization_type=tfd.NOT_REPARAMETERIZED,
            validate_args=validate_args,
            allow_nan_stats=True,
            parameters=parameters,
            name=name,
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

    def dequantize(self, x: tf.Tensor, seed: Any = None, stream: int = 0) -> tf.Tensor:
        """Returns x + Δu, with u from the seed, or hashed from x without one.

        Args:
            x: [batch..., event...] on the grid.
            seed: stateless seed of shape [2], or None.
            stream: selects one of independent hashes where there is no seed.
        """
        x = tf.convert_to_tensor(x, self.dtype)
        if seed is not None:
            noise = tf.random.stateless_uniform(tf.shape(x), seed, dtype=self.dtype)
        else:
            rank = len(self.event_shape)
            rows = tf.reshape(x, tf.concat([tf.shape(x)[: tf.rank(x) - rank], [-1]], 0))
            noise = tf.reshape(uniform_from_hash(rows, stream), tf.shape(x))
        return x + tf.constant(self._step, self.dtype) * noise

    def quantize(self, y: tf.Tensor) -> tf.Tensor:
        """Returns the grid point of the cell that y lies in."""
        gridded = self._step > 0
        step = tf.constant(np.where(gridded, self._step, 1.0), self.dtype)
        return tf.where(gridded, tf.floor(y / step) * step, y)

    def _log_prob(self, value: tf.Tensor, seed: Any = None, **kwargs: Any) -> tf.Tensor:
        seeds = [None] * self._num_samples
        if seed is not None:
            seeds = tf.unstack(
                tf.random.split(seed, self._num_samples), num=self._num_samples
            )
        values = [
            self._distribution.log_prob(self.dequantize(value, seed, stream), **kwargs)
            for stream, seed in enumerate(seeds)
        ]
        bound = tf.reduce_logsumexp(tf.stack(values), axis=0)
        constant = np.sum(np.log(self._step[self._step > 0]))
        return bound + tf.constant(constant - math.log(len(seeds)), self.dtype)

    def _sample_n(self, n: tf.Tensor, seed: Any = None, **kwargs: Any) -> tf.Tensor:
        return self.quantize(self._distribution.sample(n, seed=seed, **kwargs))

    def _event_shape(self) -> tf.TensorShape:
        return self._distribution.event_shape

    def _event_shape_tensor(self) -> tf.Tensor:
        return self._distribution.event_shape_tensor()

    def _default_event_space_bijector(self) -> Any:
        return self._distribution.experimental_default_event_space_bijector()
