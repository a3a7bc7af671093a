"""Rows of one domain on their way to another, in two columns."""

from collections.abc import Sequence

import numpy as np

from tfp_flows.diagnostics.plots.canvas import Figure, new_figure
from tfp_flows.diagnostics.plots.limits import robust_limits
from tfp_flows.diagnostics.plots.marks import few_ticks
from tfp_flows.diagnostics.plots.theme import LIGHT, Theme, dress, heading, shortened

__all__ = ["translation_field"]

MOST_POINTS, MOST_ARROWS = 1500, 90


def translation_field(
    source: np.ndarray,
    translated: np.ndarray,
    target: np.ndarray,
    names: Sequence[str],
    domains: tuple[str, str],
    *,
    theme: Theme = LIGHT,
) -> Figure:
    """Draws rows before and after beside those of the target, arrows between.

    Args:
        source: [N, 2].
        translated: [N, 2], the same rows.
        target: [M, 2].
        names: of the two columns.
        domains: of the source and of the target.
        theme: colors.
    """
    figure = new_figure(3.9, theme)
    left, middle, right = figure.subplots(1, 3, sharex=True, sharey=True)
    everything = np.concatenate([source, translated, target])
    limits = [robust_limits(everything[:, i]) for i in (0, 1)]
    for axis, rows, title in (
        (left, source, "before"),
        (right, translated, "after"),
    ):
        for points, color in ((target, theme.data), (rows, theme.model)):
            shown = points[:MOST_POINTS]
            axis.scatter(*shown.T, s=5, color=color, alpha=0.45, lw=0)
        axis.set_title(title, color=theme.muted, fontsize=9.5)
    some = slice(None, None, -(-len(source) // MOST_ARROWS))
    start, move = source[some], (translated - source)[some]
    middle.quiver(
        *start.T,
        *move.T,
        angles="xy",
        scale_units="xy",
        scale=1,
        width=0.004,
        color=theme.model,
    )
    middle.set_title("the way of single rows", color=theme.muted, fontsize=9.5)
    for axis in (left, middle, right):
        dress(axis, theme, size=8)
        axis.set(xlim=limits[0], ylim=limits[1])
        axis.set_xlabel(shortened(names[0], 24), parse_math=False)
        few_ticks(axis)
    left.set_ylabel(shortened(names[1], 24), parse_math=False)
    first, second = (shortened(name) for name in domains)
    keys = [(f"{first} → {second}", theme.model), (f"rows of {second}", theme.data)]
    heading(figure, f"Translation from {first} to {second}", theme, keys)
    return figure
