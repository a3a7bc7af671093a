"""Rational-quadratic spline of one number, from Durkan et al. (2019), eq. 4 and 5."""

import math


def spline(x, theta, num_bins, bound, min_bin=1e-3, min_slope=1e-3):
    """Returns (y, log dy/dx) for one x and its 3K − 1 parameters."""
    if not -bound < x < bound:
        return x, 0.0
    widths = bin_sizes(theta[:num_bins], bound, min_bin)
    heights = bin_sizes(theta[num_bins : 2 * num_bins], bound, min_bin)
    offset = math.log(math.exp(1 - min_slope) - 1)
    inner = [
        min_slope + math.log1p(math.exp(t + offset)) for t in theta[2 * num_bins :]
    ]
    slopes = [1.0, *inner, 1.0]
    left, bottom = -bound, -bound
    for k in range(num_bins):
        if x < left + widths[k] or k == num_bins - 1:
            break
        left, bottom = left + widths[k], bottom + heights[k]
    s = heights[k] / widths[k]
    t = (x - left) / widths[k]
    low, high = slopes[k], slopes[k + 1]
    denominator = s + (high + low - 2 * s) * t * (1 - t)
    y = bottom + heights[k] * (s * t**2 + low * t * (1 - t)) / denominator
    top = s**2 * (high * t**2 + 2 * s * t * (1 - t) + low * (1 - t) ** 2)
    return y, math.log(top / denominator**2)


def bin_sizes(logits, bound, floor):
    total = sum(math.exp(v) for v in logits)
    free = 1 - floor * len(logits)
    return [2 * bound * (floor + free * math.exp(v) / total) for v in logits]
