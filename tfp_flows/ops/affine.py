"""Affine elementwise transform: y = x exp(s) + t."""

import dataclasses

import tensorflow as tf

from tfp_flows.ops.log_scale import LogScale

__all__ = ["Affine"]


@dataclasses.dataclass(frozen=True)
class Affine:
    """y = x · exp(s) + t with s = m · tanh(h / m), parameters (t, h).

    Inverse: x = (y − t) · exp(−s). Log-derivative: s. The cap keeps exp(s) finite
    for any network output, which heavy-tailed inputs make arbitrarily large; near
    zero it has slope one, so it does not slow the start.

    Args:
        max_log_scale: m > 0, the largest |s|. The default, 3, lets one layer scale
            by e³ ≈ 20 in either direction.
        log_scale: another s(h), from `bounded_log_scale`, in place of this cap.

    Reference: Dinh et al. (2017), "Density estimation using Real NVP",
    arXiv:1605.08803, eq. 7 and 8 (there without the cap's slope of one).
    """

    max_log_scale: float = 3.0
    log_scale: LogScale | None = None

    def __post_init__(self) -> None:
        if not self.max_log_scale > 0:
            raise ValueError(
                f"max_log_scale must be positive, received {self.max_log_scale}."
            )

    @property
    def mixes_features(self) -> bool:
        """Whether a feature's derivative depends on other features' parameters."""
        return self.log_scale is not None and self.log_scale.zero_sum

    @property
    def num_parameters(self) -> int:
        """Two: the shift and the unbounded log-scale."""
        return 2

    def forward(
        self, x: tf.Tensor, parameters: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns y and log dy/dx = s, both [batch..., D]."""
        shift, log_scale = self._shift_and_log_scale(parameters)
        return x * tf.exp(log_scale) + shift, log_scale

    def inverse(
        self, y: tf.Tensor, parameters: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns x and log dx/dy = −s, both [batch..., D]."""
        shift, log_scale = self._shift_and_log_scale(parameters)
        return (y - shift) * tf.exp(-log_scale), -log_scale

    def _shift_and_log_scale(
        self, parameters: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        shift, unbounded = tf.unstack(parameters, axis=-2)
        if self.log_scale is not None:
            return shift, self.log_scale(unbounded)
        cap = tf.constant(self.max_log_scale, parameters.dtype)
        return shift, cap * tf.tanh(unbounded / cap)
