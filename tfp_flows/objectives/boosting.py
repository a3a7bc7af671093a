"""What a new component of a mixture is trained on while the others stand still."""

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

__all__ = ["MixtureLikelihood", "ResidualWeights"]


@keras.saving.register_keras_serializable(package="tfp_flows")
class MixtureLikelihood(keras.losses.Loss):
    """−log((1 − r) G(xᵢ) + r g(xᵢ)) in nats: the mixture's own likelihood.

    G is the mixture so far, g the new component. A row's gradient has the weight of
    its responsibility, in [0, 1], so that no row can outweigh the others and nothing
    needs clipping:

        ρᵢ = r g / ((1 − r) G + r g) = sigmoid(dᵢ),  dᵢ = log(r g) − log((1 − r) G)

    A fresh component is far behind G on every row, in many dimensions so far that all
    ρᵢ vanish, and the gradient with them. Then all dᵢ of the batch are lifted by the
    same b ≥ 0, which gives the share r of rows on which g is best, compared with G,
    at least even odds. When the component has caught up on these rows, b = 0.

    Value: the mixture's, without b.
    Gradient: −Σᵢ sigmoid(dᵢ + b) ∇ log g(xᵢ) / N; that of the value where b = 0.

    Args:
        rate: r in (0, 1), the share of the new component.
        dtype: of the values.

    Call arguments:
        y_true: [N], log G(xᵢ).
        y_pred: [N], log g(xᵢ).
        sample_weight: [N], or None.

    Raises:
        ValueError: r outside (0, 1).

    Reference: the functional that Giaquinto and Banerjee (2020), arXiv:2002.11896,
    approximate by a first-order step, itself.
    """

    def __init__(
        self,
        rate: float,
        name: str = "mixture_likelihood",
        reduction: str = "sum_over_batch_size",
        dtype: Any = None,
    ) -> None:
        if not 0 < rate < 1:
            raise ValueError(f"rate must lie between 0 and 1, received {rate}.")
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.rate = rate

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """Returns −log((1 − r) G(xᵢ) + r g(xᵢ)), [N]."""
        log_old = y_true + float(np.log1p(-self.rate))
        log_new = y_pred + float(np.log(self.rate))
        value = tf.reduce_logsumexp(tf.stack([log_old, log_new]), axis=0)
        responsibility = tf.sigmoid(self._lifted(log_new - log_old))
        # Zero in value: the gradient is that of the lifted responsibilities.
        step = tf.stop_gradient(responsibility) * (y_pred - tf.stop_gradient(y_pred))
        return -(tf.stop_gradient(value) + step)

    def _lifted(self, difference: tf.Tensor) -> tf.Tensor:
        """The differences dᵢ + b."""
        descending = tf.sort(difference, direction="DESCENDING")
        count = tf.cast(tf.size(difference), difference.dtype)
        last = tf.cast(tf.math.ceil(self.rate * count), tf.int32) - 1
        return difference + tf.maximum(-descending[last], 0.0)

    def get_config(self) -> dict[str, Any]:
        """The arguments by name."""
        return {**super().get_config(), "rate": self.rate}


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
