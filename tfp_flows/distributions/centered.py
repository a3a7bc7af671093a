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
from tfp_flows.ops import centered

__all__ = ["CenteredNormal", "CenteredStudentT"]


class _Centered(RecordedDistribution):
    """A density of |x − x̄|² alone; see its kinds."""

    def __init__(
        self, num_particles: int, dimension: int, *, mask: Any, dtype: Any
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
        dtype = tf.as_dtype(dtype)
        self._event = (num_particles, dimension)
        self._present = tf.constant(present[..., np.newaxis], dtype)
        self._degrees = tf.constant((counts - 1) * dimension, dtype)
        super().__init__()

    @property
    def degrees_of_freedom(self) -> tf.Tensor:
        """(N − 1) n of the particles that are there, [batch...]."""
        return self._degrees

    def _log_prob(self, value: tf.Tensor) -> tf.Tensor:
        square = tf.reduce_sum(centered(value, self._present) ** 2, axis=[-2, -1])
        return self._log_density_of_square(square)

    def _normal(self, n: tf.Tensor, seed: Any) -> tf.Tensor:
        shape = tf.concat([[n], self._batch_shape_tensor(), self._event], axis=0)
        noise = tf.random.stateless_normal(shape, seed, dtype=self.dtype)
        return centered(noise, self._present)

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
        dtype: of the event.
        validate_args: as in TFP.
        name: name of the distribution.

    Raises:
        ValueError: a mask of other numbers, another width, or fewer than two particles.

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
        dtype: Any = "float32",
        validate_args: bool = False,
        name: str = "centered_normal",
    ) -> None:
        super().__init__(num_particles, dimension, mask=mask, dtype=dtype)

    def _log_density_of_square(self, square: tf.Tensor) -> tf.Tensor:
        return -0.5 * (square + self._degrees * math.log(2 * math.pi))

    def _sample_n(self, n: tf.Tensor, seed: Any = None) -> tf.Tensor:
        return self._normal(n, tfp.random.sanitize_seed(seed))


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
        dtype: Any = "float32",
        validate_args: bool = False,
        name: str = "centered_student_t",
    ) -> None:
        kind = tf.as_dtype(dtype)
        self._df = scalar_parameter(
            df, kind, low=0.0, strict=True, name=f"df of {name}"
        )
        super().__init__(num_particles, dimension, mask=mask, dtype=dtype)

    @property
    def df(self) -> Any:
        """ν, degrees of freedom of the tails."""
        return self._df

    def _log_density_of_square(self, square: tf.Tensor) -> tf.Tensor:
        df, size = tf.convert_to_tensor(self.df), self._degrees
        constant = (
            tf.math.lgamma(0.5 * (df + size))
            - tf.math.lgamma(0.5 * df)
            - 0.5 * size * tf.math.log(math.pi * df)
        )
        return constant - 0.5 * (df + size) * tf.math.log1p(square / df)

    def _sample_n(self, n: tf.Tensor, seed: Any = None) -> tf.Tensor:
        noise_seed, scale_seed = tfp.random.split_seed(seed, 2)
        df = tf.convert_to_tensor(self.df)
        # In logarithms: of few degrees of freedom χ² underflows.
        chi_square = tfd.ExpGamma(0.5 * df, tf.constant(0.5, self.dtype))
        shape = tf.concat([[n], self._batch_shape_tensor()], axis=0)
        log_scale = 0.5 * (tf.math.log(df) - chi_square.sample(shape, seed=scale_seed))
        noise = self._normal(n, noise_seed)
        return noise * tf.exp(log_scale)[..., tf.newaxis, tf.newaxis]
