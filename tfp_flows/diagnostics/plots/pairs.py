"""Pairs of columns of data and samples on a matplotlib figure.

Nothing here imports matplotlib; the figures come from `plots`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tfp_flows.diagnostics.plots.limits import histogram_edges
from tfp_flows.diagnostics.plots.marks import few_ticks, histogram
from tfp_flows.diagnostics.plots.theme import Theme, dress, shades

__all__ = ["Limits", "Pair", "matrix", "two_columns"]

Pair = tuple[np.ndarray, np.ndarray]
Limits = Sequence[tuple[float, float]]
FEW_POINTS = 1500


def matrix(
    figure: Any, names: Sequence[str], pair: Pair, limits: Limits, theme: Theme
) -> None:
    """Draws data below and samples above the diagonal, both histograms on it.

    Args:
        figure: where to draw.
        names: of the first columns, as many as are drawn.
        pair: data and samples, [N, D] each.
        limits: of every column.
        theme: colors.
    """
    axes = figure.subplots(len(names), len(names), squeeze=False)
    for (row, column), axis in np.ndenumerate(axes):
        if row == column:
            _marginal(axis, row, pair, limits, theme)
        else:
            above = int(row < column)
            _joint(axis, (column, row), pair, limits, theme, which=above)
        if row == len(names) - 1:
            axis.set_xlabel(names[column], parse_math=False)
        else:
            axis.tick_params(axis="x", length=0, labelbottom=False)
        if column == 0 < len(names) - 1:
            axis.set_ylabel(names[row], parse_math=False)
        else:
            axis.tick_params(axis="y", length=0, labelleft=False)


def two_columns(
    figure: Any, names: Sequence[str], pair: Pair, limits: Limits, theme: Theme
) -> None:
    """Draws data beside samples and the two histograms below; see `matrix`."""
    axes = figure.subplots(2, 2, height_ratios=(3, 2))
    for which in (0, 1):
        _joint(axes[0, which], (0, 1), pair, limits, theme, which=which)
        axes[0, which].set_xlabel(names[0], parse_math=False)
        _marginal(axes[1, which], which, pair, limits, theme)
        axes[1, which].set_xlabel(names[which], parse_math=False)
    axes[0, 0].set_ylabel(names[1], parse_math=False)


def _joint(
    axis: Any,
    columns: tuple[int, int],
    pair: Pair,
    limits: Limits,
    theme: Theme,
    *,
    which: int,
) -> None:
    """Draws the data (0) or the samples (1): points, or shades if they are many."""
    dress(axis, theme, size=8)
    x, y = columns
    rows, color = pair[which], (theme.data, theme.model)[which]
    if len(rows) < FEW_POINTS:
        alpha = 0.8 if len(rows) < FEW_POINTS // 5 else 0.45
        axis.scatter(rows[:, x], rows[:, y], s=6, color=color, alpha=alpha, lw=0)
    else:
        bins = int(np.clip(np.sqrt(len(rows)) / 1.8, 20, 60))
        edges = [histogram_edges(pair[0][:, i], limits[i], bins) for i in columns]
        data, drawn = (
            np.histogram2d(rows[:, x], rows[:, y], edges)[0] for rows in (pair[0], rows)
        )
        # One scale for both halves, or a too flat model would look as dense.
        strength = np.sqrt(drawn.T / max(1.0, 1.3 * data.max()))
        image = shades(strength, [theme.paper, color, theme.ink])
        extent = [end for edge in edges for end in (edge[0], edge[-1])]
        axis.imshow(image, extent=extent, origin="lower", aspect="auto")
    axis.set(xlim=limits[x], ylim=limits[y])
    few_ticks(axis)


def _marginal(axis: Any, column: int, pair: Pair, limits: Limits, theme: Theme) -> None:
    dress(axis, theme, size=8)
    data, samples = (rows[:, column] for rows in pair)
    # Of few rows each would have a bin to itself.
    bins = int(np.clip(2 * np.sqrt(len(data)), 6, 45))
    edges = histogram_edges(data, limits[column], bins)
    histogram(axis, data, edges, theme.data, filled=True)
    histogram(axis, samples, edges, theme.model, filled=False)
    axis.set(xlim=limits[column], ylim=(0, None))
    few_ticks(axis)
    axis.set_yticks([])
