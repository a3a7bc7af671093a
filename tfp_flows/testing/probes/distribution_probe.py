"""A distribution under audit: rows, shapes, samples and log-densities as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfp_flows.testing.integration.frame import Frame, fit_frame
from tfp_flows.testing.integration.integral import Integral, integrate
from tfp_flows.testing.numerics import as_tensor
from tfp_flows.testing.probes.options import Options
from tfp_flows.testing.probes.probe import Probe
from tfp_flows.testing.probes.rows import RowKwargs, flatten_rows
from tfp_flows.testing.probes.tracing import Computation

__all__ = ["DistributionProbe", "probe_distribution"]


# Rows of x that are drawn where the caller gives none.
_DEFAULT_ROWS = 6
# Rows of one evaluation of the density: bounds the memory of wide networks.
_CHUNK = 2**15
# Importance sampling is noisier than sampling.
_NODES_PER_SAMPLE = 4


@dataclass(frozen=True)
class DistributionProbe(Probe):
    """A distribution and the points at which its laws are checked.

    A batch of distributions is looked at as one distribution of the joint event,
    whose log-density is the sum over the batch.

    Args:
        batch_shape: of the distribution.
        event_shape: of the distribution.
    """

    loss_names: ClassVar[tuple[str, ...]] = ("log_prob",)

    batch_shape: tuple[int, ...]
    event_shape: tuple[int, ...]

    @property
    def computation(self) -> Computation:
        """Log-density at the rows, and as many samples."""
        count = len(self.x)
        kwargs = self.kwargs.take(np.arange(count), [count])
        d = self.subject
        return Computation(
            {
                "log_prob": lambda i: d.log_prob(i["x"], **i["kwargs"]),
                "sample": lambda i: d.sample(count, seed=i["seed"], **i["kwargs"]),
            },
            {"x": self.x, "kwargs": kwargs, "seed": stateless_seed(self.options.seed)},
        )

    def refreshed(self) -> DistributionProbe:
        """The same probe without the samples it has drawn."""
        return replace(self)

    @cached_property
    def samples(self) -> np.ndarray:
        """[num_samples, D], drawn under the first row's keyword arguments.

        With a support these are the points of R^D that it maps to the samples.
        """
        count, seed = self.options.num_samples, stateless_seed(self.options.seed)
        kwargs = self.kwargs.take(np.zeros(count), [count])
        drawn = self.subject.sample(count, seed=seed, **kwargs)
        drawn = self._to_support(tf.identity(drawn))
        return drawn.numpy().reshape(count, -1).astype(np.float64)

    @cached_property
    def finite_samples(self) -> np.ndarray:
        """[n, D], the samples without rows that are not finite."""
        return self.samples[np.isfinite(self.samples).all(axis=1)]

    @cached_property
    def frame(self) -> Frame:
        """Coordinates in which the samples are standardized."""
        return fit_frame(self.finite_samples)

    @cached_property
    def integral(self) -> Integral:
        """The density, integrated over R^D under the first row's arguments."""
        count, seed = _NODES_PER_SAMPLE * self.options.num_samples, self.options.seed
        points = self.finite_samples
        return integrate(self.log_density, points, self.frame, count, seed)

    def log_density(self, points: np.ndarray) -> np.ndarray:
        """Joint log-density under the first row's keyword arguments.

        Args:
            points: [n, D], as `samples`.

        Returns:
            [n] in float64; −inf where the distribution answers `nan`, as many do
            outside their support.
        """
        starts = range(0, len(points), _CHUNK)
        values = [self._log_density(points[i : i + _CHUNK]) for i in starts]
        joined = np.concatenate(values)
        return np.where(np.isnan(joined), -np.inf, joined)

    def _log_density(self, points: np.ndarray) -> np.ndarray:
        count = len(points)
        event = self._to_support(self.x[:1]).shape[1:]
        x = tf.constant(points.reshape(count, *event), self.x.dtype)
        log_det, support = np.zeros(()), self.options.support
        if support is not None:
            log_det = support.forward_log_det_jacobian(x, len(event)).numpy()
            x = support.forward(tf.identity(x))
        kwargs = self.kwargs.take(np.zeros(count), [count])
        log_prob = self.subject.log_prob(tf.identity(x), **kwargs).numpy()
        rows = np.broadcast_to(log_prob, (count, *self.batch_shape))
        return rows.reshape(count, -1).sum(axis=1, dtype=np.float64) + log_det

    def _to_support(self, x: tf.Tensor) -> tf.Tensor:
        support = self.options.support
        return x if support is None else support.inverse(tf.identity(x))


def stateless_seed(number: int) -> tf.Tensor:
    """A seed of TFP's stateless form, shape [2]."""
    return tf.constant([number, 0], tf.int32)


def probe_distribution(
    distribution: tfd.Distribution, x: Any, options: Options
) -> DistributionProbe:
    """Checks the arguments of an audit; x: [rows..., batch..., event...] becomes rows.

    Without x they are drawn.

    Raises:
        TypeError: the distribution is one of several tensors, or is not floating.
        ValueError: x has another shape.
    """
    if not isinstance(distribution.dtype, tf.DType):
        raise TypeError(
            "Expected a distribution of one tensor. Received: "
            f"{type(distribution).__name__} with dtype={distribution.dtype}. Audit "
            "the parts of a joint distribution one by one."
        )
    tolerance = options.tolerance_in(distribution.dtype)
    batch_shape = tuple(distribution.batch_shape_tensor().numpy().tolist())
    event_shape = tuple(distribution.event_shape_tensor().numpy().tolist())
    if x is None:
        x, rows = _draw(distribution, options)
    else:
        x = as_tensor(x, distribution.dtype)
        rows = _sample_shape(x, batch_shape + event_shape)
    return DistributionProbe(
        distribution,
        flatten_rows(x, len(rows)),
        RowKwargs(options.kwargs, rows),
        tolerance,
        options,
        batch_shape,
        event_shape,
    )


def _draw(
    distribution: tfd.Distribution, options: Options
) -> tuple[tf.Tensor, tuple[int, ...]]:
    """Rows of x where the caller gives none: as many as the first context has."""
    leaves = tf.nest.flatten(dict(options.kwargs or {}))
    ranked = [leaf for leaf in leaves if len(getattr(leaf, "shape", ())) > 0]
    count = int(ranked[0].shape[0]) if ranked else _DEFAULT_ROWS
    kwargs = RowKwargs(options.kwargs, [count]).take(np.arange(count), [count])
    x = distribution.sample(count, seed=stateless_seed(options.seed + 1), **kwargs)
    return tf.identity(x), (count,)


def _sample_shape(x: tf.Tensor, tail: Sequence[int]) -> tuple[int, ...]:
    count = len(x.shape) - len(tail)
    if count < 0 or tuple(x.shape[count:]) != tuple(tail) or tf.size(x) == 0:
        raise ValueError(
            f"Expected x of shape [rows..., batch..., event...] ending in {tail}. "
            f"Received: x of shape {tuple(x.shape)}."
        )
    return tuple(x.shape[:count])
