"""A bijector under audit: rows of x and y, shapes, and its Jacobian by autodiff."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf
from tensorflow_probability import bijectors as tfb

from tfp_flows.testing.numerics import as_tensor
from tfp_flows.testing.probes.options import Options
from tfp_flows.testing.probes.probe import Probe
from tfp_flows.testing.probes.rows import RowKwargs, flatten_rows
from tfp_flows.testing.probes.tracing import Computation, value_and_gradients

__all__ = ["BijectorProbe", "probe_bijector"]


# Rows of the vectorized Jacobian: bounds the memory for wide events.
_MAX_JACOBIAN_ROWS = 4096


@dataclass(frozen=True)
class BijectorProbe(Probe):
    """A bijector and the rows at which its laws are checked.

    Args:
        y: [N, y event...], the rows for the inverse direction.
    """

    loss_names: ClassVar[tuple[str, ...]] = ("forward", "forward_log_det")

    y: tf.Tensor

    @property
    def event_ndims(self) -> int:
        """Rank of an event of x; all axes but the rows."""
        return len(self.x.shape) - 1

    @property
    def y_event_ndims(self) -> int:
        """Rank of an event of y."""
        return len(self.y.shape) - 1

    @property
    def is_square(self) -> bool:
        """Whether events of x and y have as many numbers, so that det J exists."""
        return _size(self.x.shape[1:]) == _size(self.y.shape[1:])

    @property
    def computation(self) -> Computation:
        """Both maps and both log-dets at the rows."""
        indices = np.arange(len(self.x))
        kwargs = self.kwargs.take(indices, [len(indices)])
        return self.at(self.x, self.y, kwargs)

    def at(self, x: tf.Tensor, y: tf.Tensor, kwargs: dict[str, Any]) -> Computation:
        """Both maps and both log-dets at x and y, [batch..., event...]."""
        b, ndims, y_ndims = self.subject, self.event_ndims, self.y_event_ndims
        return Computation(
            {
                "forward": lambda i: b.forward(i["x"], **i["kwargs"]),
                "inverse": lambda i: b.inverse(i["y"], **i["kwargs"]),
                "forward_log_det": lambda i: _per_event(
                    b.forward_log_det_jacobian(i["x"], ndims, **i["kwargs"]),
                    i["x"].shape[: len(i["x"].shape) - ndims],
                ),
                "inverse_log_det": lambda i: _per_event(
                    b.inverse_log_det_jacobian(i["y"], y_ndims, **i["kwargs"]),
                    i["y"].shape[: len(i["y"].shape) - y_ndims],
                ),
            },
            {"x": x, "y": y, "kwargs": kwargs},
        )

    def refreshed(self) -> BijectorProbe:
        """The same rows of x, with y computed by the present weights."""
        if self.options.y is not None:
            return self
        return replace(self, y=_forward(self.subject, self.x, self.kwargs))

    def jacobian(self, direction: str) -> np.ndarray:
        """Autodiff Jacobian of `forward` at x, or of `inverse` at y.

        Each row is repeated once for each output, so that one backward pass gives
        every row of every matrix.

        Args:
            direction: "forward" or "inverse".

        Returns:
            [n, outputs, inputs] in float64, for the first n ≤ N rows.
        """
        points, images = (
            (self.x, self.y) if direction == "forward" else (self.y, self.x)
        )
        outputs = _size(images.shape[1:])
        rows = min(len(points), max(1, _MAX_JACOBIAN_ROWS // outputs))
        indices = np.repeat(np.arange(rows), outputs)
        one_hot = tf.tile(tf.eye(outputs, dtype=images.dtype), [rows, 1])
        kwargs = self.kwargs.take(indices, [len(indices)])
        function = getattr(self.subject, direction)

        def selected(tensor: tf.Tensor) -> tf.Tensor:
            image = tf.reshape(function(tensor, **kwargs), [len(indices), outputs])
            return image * tf.cast(one_hot, image.dtype)

        point = tf.gather(points, indices)
        _, (gradient,) = value_and_gradients(selected, point, ())
        shape = [rows, outputs, _size(points.shape[1:])]
        if gradient is None:
            return np.zeros(shape)
        return np.reshape(gradient.numpy(), shape).astype(np.float64)


def probe_bijector(bijector: tfb.Bijector, x: Any, options: Options) -> BijectorProbe:
    """Checks the arguments of an audit; x: [batch..., event...] becomes rows.

    Raises:
        TypeError: the map is not injective, has several parts, or x is not floating.
        ValueError: x has no rows, or event_ndims is too small.
    """
    x = as_tensor(x, _default_dtype(bijector))
    tolerance = options.tolerance_in(x.dtype)
    ndims = _audited_event_ndims(bijector, options.event_ndims)
    if len(x.shape) < ndims or tf.size(x) == 0:
        raise ValueError(
            f"Expected x with at least one row and events of rank {ndims} (the "
            "bijector's event rank and the axes of its parameters' batch). "
            f"Received: x of shape {tuple(x.shape)}."
        )
    batch_shape = x.shape[: len(x.shape) - ndims]
    kwargs = RowKwargs(options.kwargs, batch_shape)
    x = flatten_rows(x, len(batch_shape))
    y = _forward(bijector, x, kwargs)
    if options.y is not None:
        y = tf.reshape(as_tensor(options.y, x.dtype), y.shape)
    return BijectorProbe(bijector, x, kwargs, tolerance, options, y)


def _forward(bijector: tfb.Bijector, x: tf.Tensor, kwargs: RowKwargs) -> tf.Tensor:
    y = bijector.forward(tf.identity(x), **kwargs.take(np.arange(len(x)), [len(x)]))
    return tf.identity(y)


def _audited_event_ndims(bijector: tfb.Bijector, event_ndims: int | None) -> int:
    """Event rank, raised so that the parameters' batch axes count as event axes.

    Parameters of shape [B] act on their own entries of x; seen as one event, they
    form a block-diagonal Jacobian whose log-dets add up.
    """
    ranks = (bijector.forward_min_event_ndims, bijector.inverse_min_event_ndims)
    single = all(isinstance(rank, Integral) for rank in ranks)
    if not single or not bijector._is_injective:
        raise TypeError(
            "Expected an injective bijector from one tensor to one tensor. Received: "
            f"{type(bijector).__name__} with least event ranks {ranks[0]} and "
            f"{ranks[1]}. Audit the parts of a multi-part bijector one by one."
        )
    least = int(ranks[0])
    ndims = least if event_ndims is None else event_ndims
    if ndims < least:
        raise ValueError(
            f"Expected event_ndims ≥ {least}, the least rank of the bijector. "
            f"Received: event_ndims={event_ndims}."
        )
    try:
        return ndims + (bijector.experimental_batch_shape(ndims).rank or 0)
    except NotImplementedError:  # user classes need not describe their parameters
        return ndims


def _default_dtype(bijector: tfb.Bijector) -> tf.DType:
    return bijector.dtype if isinstance(bijector.dtype, tf.DType) else tf.float32


def _per_event(log_det: tf.Tensor, batch_shape: Sequence[int]) -> tf.Tensor:
    # A constant log-det may come without batch axes.
    return tf.broadcast_to(log_det, batch_shape)


def _size(shape: Sequence[int]) -> int:
    return int(np.prod(shape, dtype=np.int64))
