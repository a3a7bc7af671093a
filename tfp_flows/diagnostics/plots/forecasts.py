"""A picture of forecasts: intervals against the truth, and how often they hold."""

from collections.abc import Sequence

import numpy as np

from tfp_flows.diagnostics.plots.canvas import Figure, new_figure
from tfp_flows.diagnostics.plots.theme import LIGHT, Theme, dress, heading, shortened

__all__ = ["forecast_intervals"]

MAX_TARGETS, _MAX_DRAWN = 4, 150


def forecast_intervals(
    data: np.ndarray,
    draws: np.ndarray,
    columns: Sequence[str],
    *,
    figure: Figure | None = None,
    theme: Theme = LIGHT,
) -> Figure:
    """Draws each target's 90 % intervals in the order of their medians, and coverage.

    Of more than four targets the first are drawn, of more than 150 rows some.

    Args:
        data: [N, D], the truth.
        draws: [S, N, D], of each row.
        columns: D names.
        figure: where to draw.
        theme: colors.

    Returns:
        The figure.
    """
    shown = min(len(columns), MAX_TARGETS)
    figure = figure or new_figure(0.9 + 2.4 * shown, theme)
    keys = [("truth", theme.data), ("90% intervals and their coverage", theme.model)]
    heading(figure, "Intervals should hold as often as they say", theme, keys)
    axes = figure.subplots(shown, 2, squeeze=False, width_ratios=[3, 1])
    levels = np.linspace(0.05, 0.95, 19)
    ends = np.concatenate([(1 - levels) / 2, [0.5], (1 + levels) / 2])
    quantiles = np.quantile(draws[..., :shown], ends, axis=0, method="weibull")
    low, middle, high = quantiles[:19], quantiles[19], quantiles[20:]
    held = (data[:, :shown] >= low) & (data[:, :shown] <= high)
    shares = held.mean(axis=1)
    for i, (left, right) in enumerate(axes):
        order = np.argsort(middle[:, i], kind="stable")
        some = np.linspace(0, len(order) - 1, min(len(order), _MAX_DRAWN))
        order = order[some.astype(int)]
        place = np.arange(len(order))
        dress(left, theme)
        edges = low[17, order, i], high[17, order, i]
        left.vlines(place, *edges, color=theme.model, lw=1.2, alpha=0.5)
        left.plot(place, data[order, i], ".", color=theme.data, ms=4)
        left.set(xlabel="held-out rows by median", ylabel=shortened(columns[i], 24))
        dress(right, theme)
        right.plot([0, 1], [0, 1], color=theme.line, lw=0.8)
        right.plot(levels, shares[:, i], color=theme.model, lw=1.6)
        right.set(xlim=(0, 1), ylim=(0, 1), xlabel="level", ylabel="rows inside")
        for axis in (left, right):
            for label in (axis.xaxis.label, axis.yaxis.label):
                label.set(color=theme.muted)
    return figure
