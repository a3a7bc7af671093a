"""What a new component of a mixture is trained on while the others stand still."""

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf

from tfp_flows.objectives.objective import FromFields, Terms

__all__ = ["MixtureLikelihood", "ResidualWeights"]

# From r = 1/2 to 1/5 within 1 % on two separate modes takes one, on overlapping ones
# some more; the next batch starts again.
_EM_STEPS = 8
_LEAST_SHARE = 1e-6


@keras.saving.register_keras_serializable(package="tfp_flows")
@dataclasses.dataclass(frozen=True)
class MixtureLikelihood(FromFields):
    """−maxᵣ Σᵢ log((1 − r) G(xᵢ) + r g(xᵢ)) in nats: that of the best mixture.

    log G(xᵢ) comes with the rows, as `known`; log g(xᵢ) is the density in training.

    G is the mixture so far, g the new component, r its share, which EM finds for each
    batch, from `rate` on. A row's gradient has the weight of its responsibility, in
    [0, 1], so that no row can outweigh the others and nothing needs clipping:

        ρᵢ = r g / ((1 − r) G + r g) = sigmoid(dᵢ),  dᵢ = log(r g) − log((1 − r) G)

    A fresh component is behind G on every row, in many dimensions so far that all ρᵢ
    vanish, and the gradient with them. While it is lifted, r is `rate` and all dᵢ of
    the batch are raised by the same b ≥ 0, which gives this share of the rows, those
    on which g is best compared with G, at least even odds.

    Value: the mixture's, without b.
    Gradient: −Σᵢ sigmoid(dᵢ + b) ∇ log g(xᵢ); that of the value unless lifted.

    Args:
        rate: in (0, 1), what r is expected to be.

    Attributes:
        is_lifted: a variable; False at first.

    Raises:
        ValueError: a rate outside (0, 1).

    Reference: the functional that Giaquinto and Banerjee (2020), arXiv:2002.11896,
    approximate by a first-order step, itself.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"log_prob", "known"})

    rate: float
    is_lifted: tf.Variable = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 0 < self.rate < 1:
            raise ValueError(f"rate must lie between 0 and 1, received {self.rate}.")
        is_lifted = tf.Variable(False, trainable=False, name="is_lifted")
        object.__setattr__(self, "is_lifted", is_lifted)

    def __call__(self, evaluation: Any, *, seed: Any, training: bool) -> Terms:
        """Returns −log((1 − r) G(xᵢ) + r g(xᵢ)), [N]; r heeds no weights of rows."""
        log_new, log_old = evaluation.log_prob, evaluation.known
        log_ratio = tf.stop_gradient(log_new - log_old)
        odds = self._log_odds(log_ratio)
        value = log_old - tf.nn.softplus(odds) + tf.nn.softplus(log_ratio + odds)
        lifted = self._lifted_odds(log_ratio)
        weight = tf.sigmoid(log_ratio + tf.where(self.is_lifted, lifted, odds))
        # Zero in value: the gradient is that of the lifted responsibilities.
        step = weight * (log_new - tf.stop_gradient(log_new))
        return Terms(-(tf.stop_gradient(value) + step))

    def _initial_odds(self, log_ratio: tf.Tensor) -> tf.Tensor:
        return tf.constant(np.log(self.rate / (1 - self.rate)), log_ratio.dtype)

    def _log_odds(self, log_ratio: tf.Tensor) -> tf.Tensor:
        """Log of r / (1 − r) after some steps of EM, r ← mean of the ρᵢ."""
        odds = self._initial_odds(log_ratio)
        for _ in range(_EM_STEPS):
            share = tf.reduce_mean(tf.sigmoid(log_ratio + odds))
            share = tf.clip_by_value(share, _LEAST_SHARE, 1 - _LEAST_SHARE)
            odds = tf.math.log(share) - tf.math.log1p(-share)
        return odds

    def _lifted_odds(self, log_ratio: tf.Tensor) -> tf.Tensor:
        """Log of r / (1 − r) with r = rate, plus b."""
        odds = self._initial_odds(log_ratio)
        descending = tf.sort(log_ratio + odds, direction="DESCENDING")
        count = tf.cast(tf.size(log_ratio), log_ratio.dtype)
        last = tf.cast(tf.math.ceil(self.rate * count), tf.int32) - 1
        return odds + tf.maximum(-descending[last], 0.0)


@dataclasses.dataclass(frozen=True)
class ResidualWeights:
    """Rows weigh ωᵢ ∝ max(G(xᵢ), e^(m + floor))^(−power), with mean one.

    Rows that the mixture G explains badly weigh most, and the new component is
    trained by maximum likelihood on them. Without a floor one far row takes all the
    weight. Where G explains everything, the weights are equal and the component
    learns the density once more.

    m is the median of log G over the training rows: a density has units, and an
    absolute floor would switch the weights off in small units and leave them without
    a floor in large ones. `absolute=True` takes m = 0, as published, for data that is
    known to be standardized.

    Args:
        log_floor: in nats, where log G ends to fall; None for no floor.
        power: 1 as published; less tempers the weights, 0 is maximum likelihood.
        absolute: m = 0.

    Raises:
        ValueError: a power that is negative, or a floor that is not.

    Reference: Giaquinto and Banerjee (2020), arXiv:2002.11896, section 4; the floor
    of −10 from their released code, where it is for variational inference.
    """

    log_floor: float | None = -10.0
    power: float = 1.0
    absolute: bool = False

    def __post_init__(self) -> None:
        if not self.power >= 0:
            raise ValueError(f"power must not be negative, received {self.power}.")
        if not self.absolute and self.log_floor is not None and self.log_floor >= 0:
            raise ValueError(
                "log_floor must be negative, nats below the median of log G; received "
                f"{self.log_floor}."
            )

    def calibrated(
        self, reference: Any, sample_weight: Any = None
    ) -> Callable[[tf.Tensor], tf.Tensor]:
        """Returns the function log G(x), [N] → ω, [N], with mean one over a data set.

        Args:
            reference: [M], log G of the training rows, or of many of them.
            sample_weight: [M], weights of these rows in the mean.
        """
        reference = np.asarray(reference, "float64")
        median = 0.0 if self.absolute else float(np.median(reference))
        logs = self._logs(tf.constant(reference), median).numpy()
        largest = logs.max()
        mean = np.average(np.exp(logs - largest), weights=sample_weight)
        log_mean = float(np.log(mean) + largest)
        return lambda log_mixture: tf.exp(self._logs(log_mixture, median) - log_mean)

    def _logs(self, log_mixture: tf.Tensor, median: float) -> tf.Tensor:
        if self.log_floor is not None:
            log_mixture = tf.maximum(log_mixture, median + self.log_floor)
        return -self.power * (log_mixture - median)
