"""Densities of particles up to where their center of mass is, the same turned around.

Configurations x in R^{N n} with Σᵢ xᵢ = 0 form a space of (N − 1) n dimensions; that is
what these densities integrate to one over.
"""

import math
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from tfp_flows.distributions.copulas.copula import scalar_parameter
from tfp_flows.distributions.recorded_distribution import RecordedDistribution
from tfp_flows.ops import centered, present_places

__all__ = ["CenteredNormal", "CenteredStudentT"]


class _Centered(RecordedDistribution):
    """A density of |x − x̄|² alone; see its kinds."""

    def __init__(
        self,
        num_particles: int,
        dimension: int,
        *,
        mask: Any,
        node_features: int | None,
        dtype: Any,
    ) -> None:
        if num_particles < 2 or dimension < 1:
            raise ValueError(
                "num_particles must be at least 2 and dimension at least 1, received "
                f"{num_particles} and {dimension}."
            )
        present = (
            np.ones(num_particles) if mask is None else np.asarray(mask, "float64")
        )
        if present.ndim < 1 or present.shape[-1] != num_particles:
            raise ValueError(
                f"mask must be of shape [..., {num_particles}], one number a particle, "
                f"received {present.shape}."
            )
        counts = present.sum(axis=-1)
        if not np.isin(present, (0, 1)).all() or not (counts >= 2).all():
            raise ValueError(
                "mask must be 1 for particles, at least two of them, and 0 for places "
                f"without one, received {present.tolist()}."
            )
        if node_features is not None and mask is not None:
            raise ValueError(
                "node_features say which places have a particle: leave out mask, "
                f"received {present.tolist()}."
            )
        dtype = tf.as_dtype(dtype)
        self._node_features = node_features
        self._event = (num_particles, dimension)
        self._present = tf.constant(present[..., np.newaxis], dtype)
        self._degrees = tf.constant((counts - 1) * dimension, dtype)
        super().__init__()

    @property
    def degrees_of_freedom(self) -> tf.Tensor:
        """(N − 1) n of the particles that are there, [batch...]."""
        return self._degrees

    @property
    def context_size(self) -> int | None:
        """N · K of a context with K numbers for each place; None without."""
        if self._node_features is None:
            return None
        return self._event[0] * self._node_features

    def _log_prob(self, value: tf.Tensor, context: Any = None) -> tf.Tensor:
        present, degrees = self._places(context)
        square = tf.reduce_sum(centered(value, present) ** 2, axis=[-2, -1])
        return self._log_density_of_square(square, degrees)

    def _places(self, context: Any) -> tuple[tf.Tensor, tf.Tensor]:
        """Which places have a particle, [..., N, 1], and (N − 1) n of these."""
        if (context is None) != (self._node_features is None):
            raise ValueError(
                f"{self.name}: expected a context exactly where there are "
                f"node_features, which are {self._node_features}; received {context}."
            )
        if context is None:
            return self._present, self._degrees
        present = present_places(tf.cast(context, self.dtype), self._event[0])
        counts = tf.reduce_sum(present, axis=[-2, -1])
        nan = tf.constant(np.nan, self.dtype)
        return present, tf.where(counts < 2, nan, (counts - 1) * self._event[1])

    def _call_sample_n(
        self, sample_shape: Any, seed: Any, context: Any = None
    ) -> tf.Tensor:
        # Not by `_sample_n`, whose flat number has no axes of a context.
        present, _ = self._places(context)
        shape = tf.cast(tf.reshape(sample_shape, [-1]), tf.int32)
        batch = tf.concat([shape, self._batch_shape_tensor()], axis=0)
        seed, scale = self._draw_scale(seed, batch)
        whole = tf.concat([batch, self._event], axis=0)
        noise = tf.random.stateless_normal(whole, seed, dtype=self.dtype)
        drawn = centered(noise, present) * scale
        return self._set_sample_static_shape(drawn, shape)

    def _event_shape(self) -> tf.TensorShape:
        return tf.TensorShape(self._event)

    def _batch_shape(self) -> tf.TensorShape:
        return self._degrees.shape

    def _batch_shape_tensor(self, **kwargs: Any) -> tf.Tensor:
        return tf.constant(self._batch_shape().as_list(), tf.int32)


class CenteredNormal(_Centered):
    """N(0, I) on configurations of zero center of mass.

        log p(x) = −½ |x − x̄|² − ½ (N − 1) n log 2π

    x̄ is taken off first: a configuration and the same one shifted have one density.

    Shapes: event [N, n]; batch that of the mask without its last axis.

    Args:
        num_particles: N ≥ 2.
        dimension: n, of space.
        mask: [batch..., N], 1 for particles and 0 for places without one, which are 0
            in samples and not looked at in densities; None: all are there.
        node_features: K, where densities and samples are asked with a `context`,
            [..., N · K]: K numbers for each place, all 0 in one without a particle. A
            sample shape ends with the context's axes. Fewer than two particles are NaN,
            eagerly refused.
        dtype: of the event.
        validate_args: as in TFP.
        name: name of the distribution.

    Raises:
        ValueError: a mask of other numbers, another width, fewer than two particles, or
            a mask beside node features.

    Example:
        >>> CenteredNormal(4, 2).log_prob(tf.zeros([4, 2])).numpy().round(4)
        np.float32(-5.5136)
    """

    def __init__(
        self,
        num_particles: int,
        dimension: int,
        *,
        mask: Any = None,
        node_features: int | None = None,
        dtype: Any = "float32",
        validate_args: bool = False,
        name: str = "centered_normal",
    ) -> None:
        super().__init__(
            num_particles,
            dimension,
            mask=mask,
            node_features=node_features,
            dtype=dtype,
        )

    def _log_density_of_square(self, square: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
        return -0.5 * (square + size * math.log(2 * math.pi))

    def _draw_scale(self, seed: Any, batch: tf.Tensor) -> tuple[tf.Tensor, Any]:
        return tfp.random.sanitize_seed(seed), 1.0


class CenteredStudentT(_Centered):
    """Multivariate Student-t on configurations of zero center of mass.

        log p(x) = log Γ((ν + k)/2) − log Γ(ν/2) − (k/2) log νπ
                   − ((ν + k)/2) log(1 + |x − x̄|²/ν),      k = (N − 1) n

    A normal configuration over one √(χ²_ν / ν): a draw is large as a whole, and turned
    around it is as likely. Weights of a target over such a base can have a variance
    where those over a normal one do not.

    Shapes: as of `CenteredNormal`.

    Args:
        num_particles: N ≥ 2.
        dimension: n, of space.
        df: ν > 0, a number, or a variable that stays positive, such as
            `tfp.util.TransformedVariable(10.0, tfb.Softplus())`.
        mask: as of `CenteredNormal`.
        node_features: as of `CenteredNormal`.
        dtype: of the event.
        validate_args: as in TFP.
        name: name of the distribution.

    Raises:
        ValueError: as `CenteredNormal`, or ν that is not positive.
    """

    def __init__(
        self,
        num_particles: int,
        dimension: int,
        df: Any,
        *,
        mask: Any = None,
        node_features: int | None = None,
        dtype: Any = "float32",
        validate_args: bool = False,
        name: str = "centered_student_t",
    ) -> None:
        kind = tf.as_dtype(dtype)
        self._df = scalar_parameter(
            df, kind, low=0.0, strict=True, name=f"df of {name}"
        )
        super().__init__(
            num_particles,
            dimension,
            mask=mask,
            node_features=node_features,
            dtype=dtype,
        )

    @property
    def df(self) -> Any:
        """ν, degrees of freedom of the tails."""
        return self._df

    def _log_density_of_square(self, square: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
        df = tf.convert_to_tensor(self.df)
        constant = (
            tf.math.lgamma(0.5 * (df + size))
            - tf.math.lgamma(0.5 * df)
            - 0.5 * size * tf.math.log(math.pi * df)
        )
        return constant - 0.5 * (df + size) * tf.math.log1p(square / df)

    def _draw_scale(self, seed: Any, batch: tf.Tensor) -> tuple[tf.Tensor, Any]:
        noise_seed, scale_seed = tfp.random.split_seed(seed, 2)
        df = tf.convert_to_tensor(self.df)
        # In logarithms: of few degrees of freedom χ² underflows.
        chi_square = tfd.ExpGamma(0.5 * df, tf.constant(0.5, self.dtype))
        log_scale = 0.5 * (tf.math.log(df) - chi_square.sample(batch, seed=scale_seed))
        return noise_seed, tf.exp(log_scale)[..., tf.newaxis, tf.newaxis]
