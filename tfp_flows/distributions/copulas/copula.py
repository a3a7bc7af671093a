"""What every copula offers: a density on the cube that is exact at its corners."""

import abc
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from tfp_flows.distributions.recorded_distribution import RecordedDistribution
from tfp_flows.ops.log_tails import LogTails

__all__ = ["Copula", "TailDependence", "scalar_parameter"]


class TailDependence(NamedTuple):
    """λ_L = lim P(V < q | U < q), q → 0, and λ_U = lim P(V > q | U > q), q → 1."""

    lower: tf.Tensor
    """[D, D], one on the diagonal."""
    upper: tf.Tensor
    """[D, D], one on the diagonal."""


class Copula(RecordedDistribution):
    """Base of the copulas: densities c(u) on (0, 1)^D with uniform marginals.

    A subclass writes `log_density` and `sample_tails` in terms of the pair
    (ln u, ln(1 − u)), which is exact where u itself rounds to 0 or 1; `log_prob` and
    `sample` of u are derived from them.

    Args:
        dimension: D ≥ 2.
        parameters: as in `RecordedParameters`.
        dtype: floating dtype of u.
        reparameterized: whether samples carry gradients to the parameters.
        validate_args: as in TFP.
        name: name of the distribution.

    Raises:
        ValueError: fewer than two dimensions.
    """

    def __init__(
        self,
        dimension: int,
        *,
        name: str,
        reparameterized: bool = True,
        **kwargs: Any,
    ) -> None:
        if int(dimension) != dimension or dimension < 2:
            raise ValueError(
                f"{name} joins at least two variables: expected a whole dimension ≥ "
                f"2, received {dimension}."
            )
        self._dimension = int(dimension)
        super().__init__(
            reparameterization_type=tfd.FULLY_REPARAMETERIZED
            if reparameterized
            else tfd.NOT_REPARAMETERIZED,
            name=name,
            **kwargs,
        )

    @property
    def dimension(self) -> int:
        """D, the number of variables joined."""
        return self._dimension

    @property
    @abc.abstractmethod
    def kendall_tau(self) -> tf.Tensor:
        """Kendall's τ of each pair, [D, D], one on the diagonal."""

    @property
    @abc.abstractmethod
    def tail_dependence(self) -> TailDependence:
        """Tail-dependence coefficients of each pair, two of [D, D]."""

    @abc.abstractmethod
    def log_density(self, tails: LogTails) -> tf.Tensor:
        """Returns log c(u), [batch...], from (ln u, ln(1 − u)), each [batch..., D]."""

    @abc.abstractmethod
    def sample_tails(self, n: Any, seed: Any) -> LogTails:
        """Draws u as (ln u, ln(1 − u)), each [n, D]."""

    def rosenblatt(self, u: Any) -> tf.Tensor:
        """Returns w, wⱼ = P(Uⱼ ≤ uⱼ | U₁ = u₁ … Uⱼ₋₁ = uⱼ₋₁), both [batch..., D].

        If u follows the copula, the entries of w are independent and uniform.

        Reference: Rosenblatt (1952), "Remarks on a multivariate transformation".
        """
        return self._rosenblatt(LogTails.from_probability(self._as_tensor(u)))

    def inverse_rosenblatt(self, w: Any) -> tf.Tensor:
        """Returns the u that `rosenblatt` maps to w, both [batch..., D].

        In closed form for the independence, Gaussian, Student-t and Clayton copula,
        and for Frank's in 2 dimensions.

        Raises:
            NotImplementedError: the family has no closed form in this dimension.
        """
        return tf.exp(self._inverse_rosenblatt(self._as_tensor(w)).below)

    def _of_each_pair(self, value: Any) -> tf.Tensor:
        """[D, D] with one number for every pair and ones on the diagonal."""
        eye = tf.eye(self.dimension, dtype=self.dtype)
        return eye + (1 - eye) * tf.cast(value, self.dtype)

    def _as_tensor(self, u: Any) -> tf.Tensor:
        return tf.convert_to_tensor(u, self.dtype)

    @abc.abstractmethod
    def _rosenblatt(self, tails: LogTails) -> tf.Tensor:
        """The conditional cdfs at u."""

    def _inverse_rosenblatt(self, w: tf.Tensor) -> LogTails:
        raise NotImplementedError(
            f"{type(self).__name__} in {self.dimension} dimensions has no closed form "
            "of the inverse conditional cdf. Expected one that has: "
            "IndependenceCopula, GaussianCopula, StudentTCopula and ClaytonCopula in "
            "any dimension, FrankCopula in 2. To draw from this one, call `sample`."
        )

    def _log_prob(self, u: tf.Tensor) -> tf.Tensor:
        inside = (u > 0) & (u < 1)
        # Outside of the cube the density is 0; the formulas know the inside alone.
        safe = tf.where(inside, u, tf.constant(0.5, u.dtype))
        log_density = self.log_density(LogTails.from_probability(safe))
        is_inside = tf.reduce_all(inside, axis=-1)
        return tf.where(is_inside, log_density, tf.constant(-np.inf, u.dtype))

    def _sample_n(self, n: Any, seed: Any = None) -> tf.Tensor:
        return tf.exp(self.sample_tails(n, seed).below)

    def _event_shape(self) -> tf.TensorShape:
        return tf.TensorShape([self.dimension])

    def _default_event_space_bijector(self) -> Any:
        return tfp.bijectors.Sigmoid()


def scalar_parameter(
    value: Any, dtype: Any, *, low: float, strict: bool, name: str
) -> Any:
    """Returns a copula's parameter after checking its shape and, if known, its range.

    Args:
        value: a number, or a variable or deferred tensor, kept as a reference.
        dtype: dtype of a plain number.
        low: least value.
        strict: whether `low` itself is excluded.
        name: how the message calls it, "theta of ClaytonCopula".

    Raises:
        TypeError: a `keras.Variable`, which TFP would take for a constant.
        ValueError: no scalar, or out of the range.
    """
    refuse_keras_variable(value, "a number", name)
    is_reference = isinstance(value, tf.Variable | tfp.util.DeferredTensor)
    parameter = value if is_reference else tf.convert_to_tensor(value, dtype)
    if parameter.shape.rank != 0:
        raise ValueError(
            f"{name}: expected one number, received shape {tuple(parameter.shape)}."
        )
    known = tf.get_static_value(tf.convert_to_tensor(parameter))
    if known is None:
        return parameter
    if not np.isfinite(known):
        raise ValueError(f"{name}: expected a finite number, received {known:g}.")
    if not (known > low if strict else known >= low):
        raise ValueError(
            f"{name}: expected a number {'>' if strict else '≥'} {low:g}, received "
            f"{known:g}. A variable is kept there by tfp.util.TransformedVariable("
            "start, tfb.Softplus(low))."
        )
    return parameter


def refuse_keras_variable(value: Any, kind: str, name: str) -> None:
    """Refuses what TFP would take for a constant.

    Args:
        value: a parameter.
        kind: what else it may be, "a number".
        name: how the message calls it, "theta of ClaytonCopula".

    Raises:
        TypeError: a `keras.Variable`.
    """
    if isinstance(value, keras.Variable):
        raise TypeError(
            f"{name}: expected {kind}, a tf.Variable or a deferred tensor, received "
            "a keras.Variable, which would never train here. Pass its `.value`."
        )
