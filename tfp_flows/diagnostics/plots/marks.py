"""Marks on a matplotlib axis: histograms, rank bars, shaded cells, images.

Nothing here imports matplotlib; the axes come from `plots`.
"""

from typing import Any

import numpy as np

from tfp_flows.diagnostics.plots.theme import Theme, compact, dress, shades

__all__ = [
    "best_point",
    "cells",
    "few_ticks",
    "histogram",
    "pixels",
    "rank_bars",
]

MAX_BAR = 3.0


def histogram(
    axis: Any,
    values: np.ndarray,
    edges: np.ndarray,
    color: str,
    *,
    filled: bool,
    shares: np.ndarray | None = None,
) -> None:
    """Draws shares of all values by bin, also of those that lie beyond the edges.

    Each value has the same share unless they have shares of their own.
    """
    if shares is None:
        shares = np.full(len(values), 1 / max(1, len(values)))
    heights = np.histogram(values, edges, weights=shares)[0]
    if filled:
        axis.stairs(heights, edges, fill=True, color=color, alpha=0.35)
    axis.stairs(heights, edges, color=color, lw=1.0 if filled else 1.6)


def rank_bars(
    axis: Any, ranks: np.ndarray, band: tuple[float, float], bins: int, theme: Theme
) -> None:
    """Draws one rank histogram on its band; bars above 3 are cut and numbered."""
    dress(axis, theme, size=8)
    heights, edges = np.histogram(ranks, bins, (0, 1), density=True)
    outside = (heights < band[0]) | (heights > band[1])
    colors = np.where(outside, theme.model, theme.muted)
    axis.axhspan(*band, color=theme.band, zorder=0)
    axis.axhline(1, color=theme.line, lw=0.8, zorder=0)
    tops = np.minimum(heights, MAX_BAR)
    axis.bar(edges[:-1], tops, 0.86 / bins, align="edge", color=colors)
    for left in np.flatnonzero(heights > MAX_BAR):
        text = f"↑{heights[left]:.0f}"
        at = edges[left] + 0.5 / bins, MAX_BAR
        axis.text(*at, text, ha="center", va="bottom", color=theme.model, fontsize=7.5)
    axis.set(xlim=(0, 1), ylim=(0, 1.2 * MAX_BAR if heights.max() > 2 else 2))
    axis.set_xticks([0, 1], ["low", "high"])
    axis.set_yticks([0, 1])


def cells(axis: Any, values: np.ndarray, scores: np.ndarray, theme: Theme) -> None:
    """Draws a table whose cells are colored by scores, full color at ±6."""
    dress(axis, theme)
    colors = [theme.model, theme.paper, theme.data]
    axis.imshow(shades(scores / 12 + 0.5, colors), aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        color = theme.paper if abs(scores[row, column]) > 4 else theme.ink
        style = {"ha": "center", "va": "center", "fontsize": 8.5}
        axis.text(column, row, compact(value), color=color, **style)
    axis.spines[:].set_visible(False)
    axis.tick_params(length=0)


def pixels(axis: Any, picture: np.ndarray) -> None:
    """Draws an image [H, W, 3] or [H, W, 1] in [0, 1] without a frame."""
    picture = np.broadcast_to(picture, (*picture.shape[:2], 3))
    axis.imshow(picture, interpolation="nearest")
    axis.set_axis_off()
    axis.set_anchor("NW")


def best_point(axis: Any, epoch: int, value: float, theme: Theme) -> None:
    """Marks one epoch of a curve, and names it above the frame."""
    axis.plot(epoch, value, "o", ms=8, color=theme.model, mec=theme.paper, zorder=5)
    axis.axvline(epoch, color=theme.line, lw=0.8, zorder=0)
    low, high = axis.get_xlim()
    side = (epoch - low) / (high - low)
    axis.annotate(
        f"best: epoch {epoch}, {value:.2f}",
        (epoch, 1),
        xycoords=axis.get_xaxis_transform(),
        xytext=(0, 3),
        textcoords="offset points",
        ha="left" if side < 0.2 else "right" if side > 0.8 else "center",
        color=theme.ink,
        fontsize=9,
    )


def few_ticks(axis: Any) -> None:
    """Leaves about three numbers on each side."""
    axis.locator_params(nbins=3)
