"""Linear in the middle, logarithmic in the tails."""

from typing import Any

import tensorflow as tf

from tfp_flows.bijectors.trainable import TrainableBijector

__all__ = ["SoftLogTails"]


class SoftLogTails(TrainableBijector):
    """y = sign(x) [min(|x|, τ) + log(1 + max(|x| − τ, 0))].

    Inverse: x = sign(y) [min(|y|, τ) + exp(max(|y| − τ, 0)) − 1].
    log dy/dx = −log(1 + max(|x| − τ, 0)): zero up to τ. The slope never exceeds one.

    Before a layer it keeps rare huge values from reaching it: the Jacobian of an affine
    coupling grows with |x|, whatever the bound on its log-scale. The inverse grows
    exponentially beyond τ, so τ should lie outside what the flow needs to produce.

    Shapes: any; acts on single numbers.

    Args:
        threshold: τ > 0.
        dtype: dtype of the event.
        validate_args: as in TFP.
        name: name of the bijector.

    Example:
        >>> SoftLogTails(1.0).forward(tf.constant([0.5, -1.0])).numpy().tolist()
        [0.5, -1.0]

    Reference: Andrade (2024), "Stable Training of Normalizing Flows for
    High-dimensional Variational Inference", arXiv:2402.16408, the "LOFT" transform.
    """

    def __init__(
        self,
        threshold: float = 100.0,
        *,
        dtype: Any = "float32",
        validate_args: bool = False,
        name: str = "soft_log_tails",
    ) -> None:
        if not threshold > 0:
            raise ValueError(f"threshold must be positive, received {threshold}.")
        self.threshold = threshold
        super().__init__(event_ndims=0)

    def _forward_and_log_det(self, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        inside, beyond = self._split(x)
        tail = tf.math.log1p(beyond)
        return inside + tf.sign(x) * tail, -tail

    def _inverse_and_log_det(self, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        inside, beyond = self._split(y)
        return inside + tf.sign(y) * tf.math.expm1(beyond), beyond

    def _split(self, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """What lies within [−τ, τ], with its sign, and the size of what does not."""
        inside = tf.clip_by_value(x, -self.threshold, self.threshold)
        return inside, tf.abs(x - inside)
