"""Bounded log-scales: what a coupling makes of its network's raw output."""

import dataclasses
import math

import tensorflow as tf

__all__ = ["LogScale", "bounded_log_scale"]

_KINDS = ("exp", "tanh", "arctan", "scaled_tanh", "sigmoid", "asymmetric")
_UNBOUNDED = ("exp", "sigmoid")


@dataclasses.dataclass(frozen=True)
class LogScale:
    """s(h) for y = x · exp(s) + t; made by `bounded_log_scale`.

    Attributes:
        kind: name of the function.
        max_log_scale: upper bound of s, None without one.
        min_log_scale: lower bound of s, None without one.
        zero_sum: whether the mean over the last axis is taken off.
    """

    kind: str
    max_log_scale: float | None = None
    min_log_scale: float | None = None
    zero_sum: bool = False

    @property
    def num_parameters(self) -> int:
        """One raw number a feature."""
        return 1

    @property
    def bounds(self) -> tuple[float, float]:
        """The range of s; that of a difference of two such values if `zero_sum`."""
        high = {"exp": math.inf, "sigmoid": 0.0}.get(self.kind, self.max_log_scale)
        low = -math.inf if self.min_log_scale is None else self.min_log_scale
        high = math.inf if high is None else high
        return (low - high, high - low) if self.zero_sum else (low, high)

    def __call__(self, h: tf.Tensor) -> tf.Tensor:
        """Returns s, [..., D], from raw numbers h, [..., D]."""
        s = self._unshifted(h)
        return s - tf.reduce_mean(s, axis=-1, keepdims=True) if self.zero_sum else s

    def _unshifted(self, h: tf.Tensor) -> tf.Tensor:
        if self.kind == "exp":
            return h
        if self.kind == "sigmoid":
            return -tf.nn.softplus(-(h + 2.0))
        high, low = self.max_log_scale or 0.0, self.min_log_scale or 0.0
        if self.kind == "scaled_tanh":
            return 0.5 * (high - low) * tf.tanh(h) + 0.5 * (high + low)
        # Both caps are odd, so that a cap chosen by the sign of h keeps s smooth.
        cap = tf.where(h >= 0, tf.constant(high, h.dtype), tf.constant(-low, h.dtype))
        if self.kind == "tanh":
            return cap * tf.tanh(h / cap)
        if self.kind == "arctan":
            return 2.0 / math.pi * cap * tf.atan(0.5 * math.pi * h / cap)
        return 2.0 / math.pi * cap * tf.atan(h / cap)


def bounded_log_scale(
    kind: str = "tanh",
    max_log_scale: float | None = None,
    min_log_scale: float | None = None,
    *,
    zero_sum: bool = False,
) -> LogScale:
    """Returns s(h) with exp(s) between bounds, for `Affine(log_scale=…)`.

        exp           h                           unbounded
        tanh          m tanh(h/m)                 slope 1 at 0
        arctan        (2m/π) arctan(πh/2m)        slope 1 at 0, dies more slowly
        scaled_tanh   α tanh(h) + β               around β, not the identity at h = 0
        sigmoid       log σ(h + 2)                contracts only: s < 0; −0.13 at h = 0
        asymmetric    (2a/π) arctan(h/a)          a₊ for h ≥ 0, a₋ below; 0.1 and 2

    m is `max_log_scale` for h ≥ 0 and −`min_log_scale` below; for scaled_tanh the two
    are β ± α. With `zero_sum` the mean over the features is taken off: the map keeps
    volumes.

    The result is a function of tensors and serves TFP's `shift_and_log_scale_fn` too.
    A bound on s alone is no Lipschitz bound: with ∂s/∂x₁ ≠ 0 the Jacobian of an affine
    coupling grows with |x₂|. `SoftLogTails` before it bounds |x₂|, and
    `tfp_flows.testing.check_bilipschitz` measures. A small cap, 0.5 for 32 couplings,
    and bounds on both sides keep inversion accurate; contracting kinds look safe
    forward and fail on inversion.

    Args:
        kind: see above.
        max_log_scale: upper bound of s; default 2 (0.1 for asymmetric).
        min_log_scale: lower bound; default −`max_log_scale` (−2 for asymmetric).
        zero_sum: not for autoregressive layers, whose Jacobian it would make full.

    Raises:
        ValueError: an unknown kind, bounds for an unbounded kind, or bounds that do
            not enclose zero.

    Example:
        >>> s = bounded_log_scale("tanh", 0.5)(tf.constant([-100.0, 0.0, 100.0]))
        >>> s.numpy().tolist()
        [-0.5, 0.0, 0.5]

    Reference: tanh cap and sigmoid: Dinh et al. (2017), arXiv:1605.08803, section 4.1,
    and the code of Kingma and Dhariwal (2018), arXiv:1807.03039; asymmetric: Andrade
    (2024), "Stable Training of Normalizing Flows for High-dimensional Variational
    Inference", arXiv:2402.16408; zero sum: Dinh et al. (2015), arXiv:1410.8516.
    """
    if kind not in _KINDS:
        raise ValueError(f"kind must be one of {_KINDS}, received {kind!r}.")
    if kind in _UNBOUNDED:
        if (max_log_scale, min_log_scale) != (None, None):
            raise ValueError(
                f"kind={kind!r} has no bounds to set, received {max_log_scale} and "
                f'{min_log_scale}. Choose "tanh" or "arctan".'
            )
        return LogScale(kind, zero_sum=zero_sum)
    default = (0.1, -2.0) if kind == "asymmetric" else (2.0, None)
    high = default[0] if max_log_scale is None else float(max_log_scale)
    low = default[1] if min_log_scale is None else float(min_log_scale)
    low = -high if low is None else low
    ordered = low < high if kind == "scaled_tanh" else low < 0 < high
    if not ordered:
        raise ValueError(
            "Expected min_log_scale < 0 < max_log_scale (scaled_tanh: only min < max), "
            f"received {low} and {high}."
        )
    return LogScale(kind, high, low, zero_sum)
