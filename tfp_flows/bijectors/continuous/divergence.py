"""The divergence of a velocity, exact or estimated."""

import dataclasses
from collections.abc import Callable
from typing import Any, Protocol

import tensorflow as tf

from tfp_flows.ops import vector_jacobian

__all__ = ["Divergence", "ExactDivergence", "HutchinsonDivergence", "rademacher"]


class Divergence(Protocol):
    """∇ · v beside v.

    Attributes:
        is_exact: whether it is the trace itself.
    """

    is_exact: bool

    def noise(self, x: tf.Tensor, seed: tf.Tensor | None) -> tf.Tensor | None:
        """What is drawn once for a whole solve, [N, K, event...]; None for nothing."""

    def __call__(
        self, network: Any, x: tf.Tensor, context: Any, t: Any, noise: Any
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns v, [N, event...], and ∇ · v, [N, K], K estimates of it."""


@dataclasses.dataclass(frozen=True)
class ExactDivergence:
    """tr ∂v/∂x: in the network's closed form, or by one pass backward a feature.

    Args:
        chunk_size: features whose passes run at once, where there is no closed form:
            memory against time. None: all.
    """

    chunk_size: int | None = None

    is_exact = True

    def noise(self, x: tf.Tensor, seed: Any) -> None:
        """Nothing is drawn."""

    def __call__(
        self, network: Any, x: tf.Tensor, context: Any, t: Any, noise: Any
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """As in `Divergence`, K = 1."""
        if hasattr(network, "with_divergence"):
            velocity, divergence = network.with_divergence(x, context, t=t)
            return velocity, divergence[:, tf.newaxis]
        size = x.shape[1:].num_elements()
        step = self.chunk_size or size
        total = tf.zeros([tf.shape(x)[0], 1], x.dtype)
        for start in range(0, size, step):
            features = range(start, min(start + step, size))
            total += _part_of_trace(network, x, context, t, features)
        return network(x, context, t=t), total


@dataclasses.dataclass(frozen=True)
class HutchinsonDivergence:
    """εᵀ (∂v/∂x) ε with E ε εᵀ = I: unbiased, at the cost of one pass backward.

    Its variance is 2 (‖S‖² − Σ Sᵢᵢ²) with Rademacher noise and 2 ‖S‖² with Gaussian,
    S the symmetric part of the Jacobian. The noise stays for a whole solve: drawn anew
    at each call it would be a velocity that no solver can follow.

    Args:
        num_probes: K, independent estimates whose mean counts.
        gaussian: Gaussian noise in place of Rademacher.

    Reference: Hutchinson (1989), doi:10.1080/03610918908812806; Grathwohl et al.
    (2019), arXiv:1810.01367, eq. 7 and 8.
    """

    num_probes: int = 1
    gaussian: bool = False

    is_exact = False

    def __post_init__(self) -> None:
        if self.num_probes < 1:
            raise ValueError(
                f"num_probes: expected at least 1, received {self.num_probes}."
            )

    def noise(self, x: tf.Tensor, seed: tf.Tensor | None) -> tf.Tensor:
        """Draws ε, [N, K, event...]."""
        if seed is None:
            raise ValueError(
                "An estimated divergence draws noise and scores no density without a "
                "seed: train with training_divergence=HutchinsonDivergence() and "
                "score with divergence=ExactDivergence(), or pass seed=[s1, s2]."
            )
        shape = tf.concat([tf.shape(x)[:1], [self.num_probes], x.shape[1:]], axis=0)
        if self.gaussian:
            return tf.random.stateless_normal(shape, seed, dtype=x.dtype)
        return rademacher(shape, seed, x.dtype)

    def __call__(
        self, network: Any, x: tf.Tensor, context: Any, t: Any, noise: Any
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """As in `Divergence`."""
        velocity, estimates = None, []
        for probe in tf.unstack(noise, self.num_probes, axis=1):
            velocity, pulled = vector_jacobian(
                lambda x: network(x, context, t=t), x, probe
            )
            axes = list(range(1, x.shape.rank))
            estimates.append(tf.reduce_sum(pulled * probe, axis=axes))
        return velocity, tf.stack(estimates, axis=-1)


def rademacher(shape: Any, seed: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """Signs ±1, each as likely."""
    normal = tf.random.stateless_normal(shape, seed, dtype=dtype)
    return tf.where(normal < 0, -tf.ones_like(normal), tf.ones_like(normal))


def _part_of_trace(
    network: Callable[..., tf.Tensor], x: tf.Tensor, context: Any, t: Any, features: Any
) -> tf.Tensor:
    """Σᵢ ∂vᵢ/∂xᵢ over some features, [N, 1], by one pass over as many copies."""
    count, size = len(features), x.shape[1:].num_elements()
    rows = tf.shape(x)[0]

    def repeat(given: Any) -> Any:
        is_by_row = tf.is_tensor(given) and given.shape.rank
        return tf.concat([given] * count, axis=0) if is_by_row else given

    units = tf.one_hot(list(features), size, dtype=x.dtype)
    units = tf.reshape(tf.repeat(units, rows, axis=0), [-1, *x.shape[1:]])
    context, t = repeat(context), repeat(t)
    _, pulled = vector_jacobian(lambda x: network(x, context, t=t), repeat(x), units)
    axes = list(range(1, x.shape.rank))
    diagonal = tf.reduce_sum(pulled * units, axis=axes)
    return tf.reduce_sum(tf.reshape(diagonal, [count, -1]), axis=0)[:, tf.newaxis]
