"""A distribution under audit: rows, shapes, samples and log-densities as arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfp_flows.testing.integration import Frame, fit_frame
from tfp_flows.testing.numerics import as_tensor, default_tolerance
from tfp_flows.testing.probe import Probe
from tfp_flows.testing.rows import RowKwargs, flatten_rows
from tfp_flows.testing.tracing import Computation

if TYPE_CHECKING:
    from tfp_flows.testing.report import LawResult

__all__ = ["DistributionProbe", "probe_distribution"]

tfd = tfp.distributions

# Rows of x that are drawn where the caller gives none.
_DEFAULT_ROWS = 6
# Rows of one evaluation of the density: bounds the memory of wide networks.
_CHUNK = 2**15


@dataclass(frozen=True)
class DistributionProbe(Probe):
    """A distribution and the points at which its laws are checked.

    A batch of distributions is looked at as one distribution of the joint event,
    whose log-density is the sum over the batch.

    Args:
      kwargs: Keyword arguments of `log_prob` and `sample`.
      batch_shape: Batch shape of the distribution.
      event_shape: Event shape of the distribution.
      num_samples: Samples for the statistical laws.
      seed: Seed of everything random.
      invariant_laws: Laws that must survive a change of the weights.
    """

    kwargs: RowKwargs
    batch_shape: tuple[int, ...]
    event_shape: tuple[int, ...]
    num_samples: int
    seed: int
    invariant_laws: tuple[Callable[[Any], LawResult], ...]

    @property
    def size(self) -> int:
        """Numbers in a joint event, D."""
        return int(np.prod(self.batch_shape + self.event_shape, dtype=np.int64))

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
            {"x": self.x, "kwargs": kwargs, "seed": stateless_seed(self.seed)},
        )

    @property
    def loss_names(self) -> tuple[str, ...]:
        """The values that a likelihood is made of."""
        return ("log_prob",)

    @property
    def invariants(self) -> tuple[Callable[[Probe], LawResult], ...]:
        """Laws that must survive a change of the weights."""
        return self.invariant_laws

    def refreshed(self) -> DistributionProbe:
        """The same probe without the samples it has drawn."""
        return replace(self)

    @cached_property
    def samples(self) -> np.ndarray:
        """[num_samples, D], drawn under the first row's keyword arguments."""
        count = self.num_samples
        kwargs = self.kwargs.take(np.zeros(count), [count])
        drawn = self.subject.sample(count, seed=stateless_seed(self.seed), **kwargs)
        return drawn.numpy().reshape(count, self.size).astype(np.float64)

    @cached_property
    def frame(self) -> Frame:
        """Coordinates in which the samples are standardized."""
        return fit_frame(self.samples[np.isfinite(self.samples).all(axis=1)])

    def log_density(self, points: np.ndarray) -> np.ndarray:
        """Joint log-density under the first row's keyword arguments.

        Args:
          points: [n, D].

        Returns:
          [n] in float64; −inf where the distribution answers `nan`, as many do
          outside their support.
        """
        pieces = [
            self._log_density(points[i : i + _CHUNK])
            for i in range(0, len(points), _CHUNK)
        ]
        values = np.concatenate(pieces)
        return np.where(np.isnan(values), -np.inf, values)

    def _log_density(self, points: np.ndarray) -> np.ndarray:
        count = len(points)
        x = tf.constant(points.reshape(count, *self.x.shape[1:]), self.x.dtype)
        kwargs = self.kwargs.take(np.zeros(count), [count])
        log_prob = self.subject.log_prob(x, **kwargs).numpy().astype(np.float64)
        full = np.broadcast_to(log_prob, (count, *self.batch_shape))
        return full.reshape(count, -1).sum(axis=1)


def stateless_seed(number: int) -> tf.Tensor:
    """A seed of TFP's stateless form, shape [2]."""
    return tf.constant([number, 0], tf.int32)


def probe_distribution(
    distribution: tfd.Distribution,
    x: Any,
    *,
    kwargs: Mapping[str, Any] | None,
    tolerance: float | None,
    num_samples: int,
    seed: int,
    jit: bool,
    exempt: frozenset[str],
    invariant_laws: tuple[Callable[[Any], LawResult], ...],
) -> DistributionProbe:
    """Checks the arguments of an audit and brings x into rows.

    Args:
      distribution: The distribution.
      x: [rows..., batch..., event...], or None to draw it.
      kwargs: Keyword arguments of `log_prob` and `sample`.
      tolerance: Largest relative error, None for the default of the dtype.
      num_samples: Samples for the statistical laws.
      seed: Seed of everything random.
      jit: Whether the distribution is expected to compile.
      exempt: Names of the laws that are not checked.
      invariant_laws: Laws that must survive a change of the weights.

    Returns:
      The probe.
    """
    if not isinstance(distribution.dtype, tf.DType):
        raise TypeError(
            "Expected a distribution of one tensor. Received: "
            f"{type(distribution).__name__} with dtype={distribution.dtype}. Audit "
            "the parts of a joint distribution one by one."
        )
    default_tolerance(distribution.dtype)
    batch_shape = tuple(distribution.batch_shape_tensor().numpy().tolist())
    event_shape = tuple(distribution.event_shape_tensor().numpy().tolist())
    if x is None:
        x, kwargs_rows = _draw(distribution, kwargs, seed)
    else:
        x = as_tensor(x, distribution.dtype)
        kwargs_rows = _sample_shape(x, batch_shape + event_shape)
    return DistributionProbe(
        subject=distribution,
        x=flatten_rows(x, len(kwargs_rows)),
        tolerance=default_tolerance(x.dtype) if tolerance is None else tolerance,
        jit=jit,
        exempt=exempt,
        kwargs=RowKwargs(kwargs, kwargs_rows),
        batch_shape=batch_shape,
        event_shape=event_shape,
        num_samples=num_samples,
        seed=seed,
        invariant_laws=invariant_laws,
    )


def _draw(
    distribution: tfd.Distribution, kwargs: Mapping[str, Any] | None, seed: int
) -> tuple[tf.Tensor, tuple[int]]:
    """Rows of x where the caller gives none: as many as the first context has."""
    leaves = tf.nest.flatten(dict(kwargs or {}))
    ranked = [leaf for leaf in leaves if len(getattr(leaf, "shape", ())) > 0]
    count = int(ranked[0].shape[0]) if ranked else _DEFAULT_ROWS
    rows = RowKwargs(kwargs, [count]).take(np.arange(count), [count])
    x = distribution.sample(count, seed=stateless_seed(seed + 1), **rows)
    return tf.identity(x), (count,)


def _sample_shape(x: tf.Tensor, tail: Sequence[int]) -> tuple[int, ...]:
    count = len(x.shape) - len(tail)
    if count < 0 or tuple(x.shape[count:]) != tuple(tail) or tf.size(x) == 0:
        raise ValueError(
            f"Expected x of shape [rows..., batch..., event...] ending in {tail}. "
            f"Received: x of shape {tuple(x.shape)}."
        )
    return tuple(x.shape[:count])
