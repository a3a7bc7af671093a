"""What a decoder's output means: p(x|z) of binary, gray-scale and real data."""

import dataclasses
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfp_flows.ops import discretized_logistic_log_prob, discretized_logistic_mean

__all__ = [
    "BernoulliLikelihood",
    "DiscretizedLogisticLikelihood",
    "NormalLikelihood",
    "likelihood_named",
]


class _Likelihood:
    """What the likelihoods share: data pass unchanged and are described by a config."""

    parameters_per_value = 1

    def encoder_input(self, x: tf.Tensor) -> tf.Tensor:
        """What the encoder sees of x."""
        return x

    def check(self, x: np.ndarray) -> None:
        """Refuses data outside of the support."""

    def get_config(self) -> dict[str, Any]:
        """The arguments by name."""
        return dataclasses.asdict(self)  # type: ignore[call-overload]

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """Rebuilds the likelihood."""
        return cls(**config)


@keras.saving.register_keras_serializable(package="tfp_flows")
@dataclasses.dataclass(frozen=True)
class BernoulliLikelihood(_Likelihood):
    """p(x|z) of zeros and ones, independent given z; the decoder returns logits."""

    def log_prob(self, x: tf.Tensor, parameters: tf.Tensor) -> tf.Tensor:
        """Returns the log-probability of each value, the shape of x."""
        return -tf.nn.softplus((1.0 - 2.0 * x) * parameters[..., 0])

    def mean(self, parameters: tf.Tensor) -> tf.Tensor:
        """Returns E[x|z]."""
        return tf.sigmoid(parameters[..., 0])

    def sample(self, parameters: tf.Tensor, seed: Any) -> tf.Tensor:
        """Returns draws of p(x|z), [batch..., event...]."""
        drawn = tfd.Bernoulli(logits=parameters[..., 0]).sample(seed=seed)
        return tf.cast(drawn, parameters.dtype)

    def check(self, x: np.ndarray) -> None:
        """Refuses values other than 0 and 1."""
        outside = (x != 0) & (x != 1)
        if outside.any():
            raise ValueError(
                "The bernoulli likelihood takes zeros and ones, received the value "
                f"{x[outside][0]:g}. Threshold the data, or take "
                'likelihood="discretized_logistic" for gray levels.'
            )


@keras.saving.register_keras_serializable(package="tfp_flows")
@dataclasses.dataclass(frozen=True)
class DiscretizedLogisticLikelihood(_Likelihood):
    """p(x|z) of whole numbers 0 … num_values − 1: a logistic variable, rounded.

    Probabilities are exact and sum to one. Beside a softmax over 256 values it takes
    2 decoder outputs a pixel, not 256 (401,408 for an image of 28 × 28), and knows that
    neighboring levels are alike, which few training images cannot teach.

    The decoder's output (u, v) of a value is location ½ (num_values − 1) (1 + u) and
    scale ½ (num_values − 1) softplus(v). The encoder sees x scaled to [−1, 1].

    Args:
        num_values: how many levels there are.
    """

    num_values: int = 256
    parameters_per_value = 2

    def __post_init__(self) -> None:
        if self.num_values < 2:
            raise ValueError(f"num_values must be ≥ 2, received {self.num_values}.")

    @property
    def _half(self) -> float:
        return 0.5 * (self.num_values - 1)

    def encoder_input(self, x: tf.Tensor) -> tf.Tensor:
        """The values, scaled to [−1, 1]."""
        return x / self._half - 1.0

    def _loc_and_scale(self, parameters: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        loc, raw = tf.unstack(parameters, axis=-1)
        return self._half * (1.0 + loc), self._half * tf.nn.softplus(raw)

    def log_prob(self, x: tf.Tensor, parameters: tf.Tensor) -> tf.Tensor:
        """Returns the log-probability of each value, the shape of x."""
        loc, scale = self._loc_and_scale(parameters)
        return discretized_logistic_log_prob(x, loc, scale, self.num_values)

    def mean(self, parameters: tf.Tensor) -> tf.Tensor:
        """Returns E[x|z]."""
        loc, scale = self._loc_and_scale(parameters)
        return discretized_logistic_mean(loc, scale, self.num_values)

    def sample(self, parameters: tf.Tensor, seed: Any) -> tf.Tensor:
        """Returns draws of p(x|z), [batch..., event...]."""
        loc, scale = self._loc_and_scale(parameters)
        drawn = tf.round(tfd.Logistic(loc, scale).sample(seed=seed))
        # The outermost values are what lies beyond them, too: this is P, not a repair.
        return tf.clip_by_value(drawn, 0.0, self.num_values - 1.0)

    def check(self, x: np.ndarray) -> None:
        """Refuses values other than 0 … num_values − 1."""
        outside = (x < 0) | (x > self.num_values - 1) | (x != np.floor(x))
        if outside.any():
            raise ValueError(
                f"The discretized_logistic likelihood takes whole numbers 0 … "
                f"{self.num_values - 1}, received the value {x[outside][0]:g}. Data in "
                f"[0, 1] are multiplied by {self.num_values - 1} and rounded."
            )


@keras.saving.register_keras_serializable(package="tfp_flows")
@dataclasses.dataclass(frozen=True)
class NormalLikelihood(_Likelihood):
    """p(x|z) = N(decoder(z), scale² I) of real data.

    Args:
        scale: standard deviation of x given z, in units of x.
    """

    scale: float = 1.0

    def __post_init__(self) -> None:
        if not self.scale > 0:
            raise ValueError(f"scale must be positive, received {self.scale}.")

    def log_prob(self, x: tf.Tensor, parameters: tf.Tensor) -> tf.Tensor:
        """Returns the log-density of each value, the shape of x."""
        return self._distribution(parameters).log_prob(x)

    def mean(self, parameters: tf.Tensor) -> tf.Tensor:
        """Returns E[x|z]."""
        return parameters[..., 0]

    def sample(self, parameters: tf.Tensor, seed: Any) -> tf.Tensor:
        """Returns draws of p(x|z), [batch..., event...]."""
        return self._distribution(parameters).sample(seed=seed)

    def _distribution(self, parameters: tf.Tensor) -> tfd.Distribution:
        loc = parameters[..., 0]
        return tfd.Normal(loc, tf.constant(self.scale, loc.dtype))


_NAMED = {
    "bernoulli": BernoulliLikelihood,
    "discretized_logistic": DiscretizedLogisticLikelihood,
    "normal": NormalLikelihood,
}


def likelihood_named(likelihood: Any) -> Any:
    """Returns the likelihood of that name, or the one passed.

    Raises:
        ValueError: an unknown name.
        TypeError: neither a name nor a likelihood.
    """
    if isinstance(likelihood, str):
        if likelihood not in _NAMED:
            raise ValueError(
                f"likelihood must be one of {', '.join(map(repr, _NAMED))} or a "
                f"likelihood object, received {likelihood!r}."
            )
        return _NAMED[likelihood]()
    if not isinstance(likelihood, _Likelihood):
        raise TypeError(
            "likelihood must be a name or a likelihood of tfp_flows.models, received "
            f"{type(likelihood).__name__}."
        )
    return likelihood
