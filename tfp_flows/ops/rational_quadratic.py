"""Monotone rational-quadratic spline with linear tails."""

import dataclasses
import math
from typing import NamedTuple

import tensorflow as tf

__all__ = ["RationalQuadratic"]


class _Bin(NamedTuple):
    """The bin an input fell into; every field is [D, batch...]."""

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
        x = _features_first(x)
        clamped = tf.clip_by_value(x, -self.bound, self.bound)
        found = self._find_bin(clamped, parameters, inverse=False)
        t = (clamped - found.left) / found.width
        y, log_slope = _evaluate(t, found)
        return self._with_tails(x, y, log_slope)

    def inverse(
        self, y: tf.Tensor, parameters: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns x and log dx/dy, both [batch..., D]."""
        y = _features_first(y)
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
            _features_last(tf.where(inside, inner, outer)),
            _features_last(tf.where(inside, log_slope, tf.zeros_like(log_slope))),
        )

    def _find_bin(self, value: tf.Tensor, parameters: tf.Tensor, inverse: bool) -> _Bin:
        """Selects the bin of each value, [D, batch...].

        Parameters first, then features, so that each parameter is one contiguous array,
        as the networks compute them. Slopes are mapped after they are selected.
        """
        count = self.num_bins
        missing = max(0, value.shape.rank + 1 - parameters.shape.rank)
        axes = list(range(parameters.shape.rank))
        first = tf.transpose(parameters, axes[-2:] + axes[:-2])
        first = first[(slice(None), slice(None), *[tf.newaxis] * missing)]
        widths, heights, slopes = tf.split(first, [count, count, count - 1])
        widths, x_unit = self._bin_sizes(widths)
        heights, y_unit = self._bin_sizes(heights)
        unit = y_unit if inverse else x_unit
        # The outer knots have slope one.
        one = tf.zeros_like(value)
        left, width, bottom, height, *ends = _search(
            (value + self.bound) / unit,
            tf.unstack(widths, count),
            tf.unstack(heights, count),
            [one, *tf.unstack(slopes, count - 1), one],
            inverse,
        )
        return _Bin(
            left * x_unit - self.bound,
            width * x_unit,
            bottom * y_unit - self.bound,
            height * y_unit,
            *map(self._inner_slopes, ends),
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


def _features_first(value: tf.Tensor) -> tf.Tensor:
    last = value.shape.rank - 1
    return tf.transpose(value, [last, *range(last)])


def _features_last(value: tf.Tensor) -> tf.Tensor:
    return tf.transpose(value, [*range(1, value.shape.rank), 0])


def _search(
    position: tf.Tensor,
    widths: list[tf.Tensor],
    heights: list[tf.Tensor],
    slopes: list[tf.Tensor],
    inverse: bool,
) -> tuple[tf.Tensor, ...]:
    """Halves the bins that a position may be in until one is left.

    Returns left, width, bottom, height and the slopes at both ends. Halving moves half
    of what a mask over all bins would, and its gradient too; a gather's is a scatter.
    """
    left = bottom = tf.zeros_like(position)
    while len(widths) > 1:
        # Of an odd number the halves share the bin in the middle.
        half = (len(widths) + 1) // 2
        skipped = len(widths) - half
        edge = (
            bottom + _total(heights[:half]) if inverse else left + _total(widths[:half])
        )
        beyond = position >= edge
        left = tf.where(beyond, left + _total(widths[:skipped]), left)
        bottom = tf.where(beyond, bottom + _total(heights[:skipped]), bottom)
        widths, heights, slopes = (
            [
                tf.where(beyond, upper, lower)
                for upper, lower in zip(sizes[skipped:], sizes[:-skipped], strict=True)
            ]
            for sizes in (widths, heights, slopes)
        )
    return left, widths[0], bottom, heights[0], *slopes


def _total(sizes: list[tf.Tensor]) -> tf.Tensor:
    # Not `tf.add_n`: it begins with whichever tensor no other operation waits for by
    # then, so its last digit is a matter of timing.
    return sizes[0] if len(sizes) == 1 else tf.reduce_sum(sizes, axis=0)


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
