"""Monotone rational-quadratic spline with linear tails."""

import dataclasses
import itertools
import math
from typing import NamedTuple

import tensorflow as tf

__all__ = ["RationalQuadratic"]


class _Bin(NamedTuple):
    """The bin an input fell into; every field is [batch..., D]."""

    left: tf.Tensor
    width: tf.Tensor
    bottom: tf.Tensor
    height: tf.Tensor
    left_slope: tf.Tensor
    right_slope: tf.Tensor


@dataclasses.dataclass(frozen=True)
class RationalQuadratic:
    """Spline of K rational-quadratic bins on [−B, B], the identity outside.

    In the bin with corners (xₖ, yₖ), width w, height h, s = h/w, end slopes δₖ and
    δₖ₊₁, and with t = (x − xₖ)/w:

        y = yₖ + h · (s t² + δₖ t(1−t)) / (s + (δₖ₊₁ + δₖ − 2s) t(1−t))

    The slope is one at ±B, so the map is C¹ on the whole line. Parameters:
    (unnormalized widths [K], heights [K], inner slopes [K−1]); P = 3K − 1.

    The input is clamped to [−B, B] *before* the formula and the identity selected
    after it. Selecting alone would leave a NaN in the branch not taken, and its
    gradient would poison the result for heavy-tailed inputs.

    Args:
        num_bins: K ≥ 2. Default 8, from Durkan et al. (2019), appendix B.
        bound: B > 0, in units of the transform's input. The default, 5, covers
            standardized data; Durkan et al. use 3.
        min_bin_size: least width and height as a share of 2B.
        min_slope: least slope at an inner knot.

    Reference: Durkan et al. (2019), "Neural Spline Flows", arXiv:1906.04032, eq. 4
    (forward), 5 (derivative), 6 to 8 (inverse).
    """

    num_bins: int = 8
    bound: float = 5.0
    min_bin_size: float = 1e-3
    min_slope: float = 1e-3

    def __post_init__(self) -> None:
        if self.num_bins < 2:
            raise ValueError(f"num_bins must be at least 2, received {self.num_bins}.")
        if not self.bound > 0:
            raise ValueError(f"bound must be positive, received {self.bound}.")
        if not 0 < self.min_bin_size * self.num_bins < 1:
            raise ValueError(
                "min_bin_size * num_bins must lie in (0, 1), received "
                f"{self.min_bin_size} * {self.num_bins}."
            )
        if not 0 < self.min_slope < 1:
            raise ValueError(
                f"min_slope must lie in (0, 1), received {self.min_slope}."
            )

    @property
    def num_parameters(self) -> int:
        """3K − 1: K widths, K heights, K − 1 inner slopes."""
        return 3 * self.num_bins - 1

    def forward(
        self, x: tf.Tensor, parameters: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns y and log dy/dx, both [batch..., D]."""
        clamped = tf.clip_by_value(x, -self.bound, self.bound)
        found = self._find_bin(clamped, parameters, inverse=False)
        t = (clamped - found.left) / found.width
        y, log_slope = _evaluate(t, found)
        return self._with_tails(x, y, log_slope)

    def inverse(
        self, y: tf.Tensor, parameters: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns x and log dx/dy, both [batch..., D]."""
        clamped = tf.clip_by_value(y, -self.bound, self.bound)
        found = self._find_bin(clamped, parameters, inverse=True)
        t = _solve(clamped - found.bottom, found)
        _, log_slope = _evaluate(t, found)
        return self._with_tails(y, found.left + t * found.width, -log_slope)

    def _with_tails(
        self, outer: tf.Tensor, inner: tf.Tensor, log_slope: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        inside = tf.abs(outer) < self.bound
        # A NaN input is in neither branch's domain: let it through as NaN.
        return (
            tf.where(inside, inner, outer),
            tf.where(inside, log_slope, tf.zeros_like(log_slope)),
        )

    def _find_bin(self, value: tf.Tensor, parameters: tf.Tensor, inverse: bool) -> _Bin:
        """Selects the bin by a one-hot mask, [K, batch..., D].

        Bins first: slices and sums over them then run along whole arrays. Only what is
        searched is accumulated, and slopes are mapped after they are selected. A masked
        sum is faster than a gather, whose gradient is a scatter.
        """
        count = self.num_bins
        missing = max(0, value.shape.rank + 1 - parameters.shape.rank)
        axes = list(range(parameters.shape.rank))
        bins_first = tf.transpose(parameters, [axes.pop(-2), *axes])
        bins_first = bins_first[(slice(None), *[tf.newaxis] * missing)]
        widths, heights, slopes = tf.split(bins_first, [count, count, count - 1])
        widths, x_unit = self._bin_sizes(widths)
        heights, y_unit = self._bin_sizes(heights)
        searched, unit = (heights, y_unit) if inverse else (widths, x_unit)
        knots = tf.stack(list(itertools.accumulate(tf.unstack(searched, count)[:-1])))
        beyond = tf.cast((value + self.bound) / unit >= knots, value.dtype)
        edge = tf.ones_like(beyond[:1])
        mask = tf.concat([edge, beyond], 0) - tf.concat([beyond, 0 * edge], 0)
        return _Bin(
            left=_selected(beyond, widths[:-1]) * x_unit - self.bound,
            width=_selected(mask, widths) * x_unit,
            bottom=_selected(beyond, heights[:-1]) * y_unit - self.bound,
            height=_selected(mask, heights) * y_unit,
            left_slope=self._inner_slopes(_selected(mask[1:], slopes)),
            right_slope=self._inner_slopes(_selected(mask[:-1], slopes)),
        )

    def _bin_sizes(self, unnormalized: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Softmax with a floor: sizes, and the unit in which they sum to 2B."""
        top = tf.stop_gradient(tf.reduce_max(unnormalized, axis=0))
        weight = tf.exp(unnormalized - top)
        total = tf.reduce_sum(weight, axis=0)
        free = 1.0 - self.min_bin_size * self.num_bins
        unit = 2.0 * self.bound * free / total
        return weight + self.min_bin_size / free * total, unit

    def _inner_slopes(self, unbounded: tf.Tensor) -> tf.Tensor:
        # The offset makes the slope exactly one, the identity, at zero, which is also
        # what the outer knots select.
        offset = math.log(math.expm1(1.0 - self.min_slope))
        return self.min_slope + tf.nn.softplus(unbounded + offset)


def _selected(mask: tf.Tensor, field: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(mask * field, axis=0)


def _evaluate(t: tf.Tensor, b: _Bin) -> tuple[tf.Tensor, tf.Tensor]:
    """Height and log-slope at t in [0, 1] of a bin (eq. 4 and 5)."""
    s = b.height / b.width
    product = t * (1.0 - t)
    denominator = s + (b.right_slope + b.left_slope - 2.0 * s) * product
    y = b.bottom + b.height * (s * t * t + b.left_slope * product) / denominator
    numerator = (
        b.right_slope * t * t + 2.0 * s * product + b.left_slope * (1.0 - t) ** 2
    )
    return y, 2.0 * tf.math.log(s / denominator) + tf.math.log(numerator)


def _solve(rise: tf.Tensor, b: _Bin) -> tf.Tensor:
    """Solves the bin's quadratic for t in [0, 1], given y − yₖ (eq. 6 to 8)."""
    s = b.height / b.width
    curvature = b.right_slope + b.left_slope - 2.0 * s
    quadratic = b.height * (s - b.left_slope) + rise * curvature
    linear = b.height * b.left_slope - rise * curvature
    constant = -s * rise
    # Positive for every monotone bin; rounding may take it to zero, where the
    # gradient of the root is infinite.
    discriminant = tf.maximum(
        linear**2 - 4.0 * quadratic * constant, linear.dtype.as_numpy_dtype(1e-30)
    )
    root = tf.sqrt(discriminant)
    # Two forms of the same root: the one that adds numbers of equal sign is exact.
    adds = linear >= 0
    numerator = tf.where(adds, -2.0 * constant, root - linear)
    return numerator / tf.where(adds, linear + root, 2.0 * quadratic)
