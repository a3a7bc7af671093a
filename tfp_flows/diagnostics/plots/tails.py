"""Pictures of tails."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tfp_flows.diagnostics.plots.canvas import Axes, Figure
from tfp_flows.diagnostics.plots.theme import LIGHT, Theme, dress, heading, shortened
from tfp_flows.diagnostics.tails import exceedances, tail_quantiles

__all__ = ["exceedance_plot", "tail_quantile_plot"]

_STYLES = ["-", "--", "-.", ":"]


def exceedance_plot(
    data: np.ndarray,
    samples: Mapping[str, np.ndarray],
    *,
    axis: Axes | None = None,
    theme: Theme = LIGHT,
) -> Axes:
    """Draws how often rows lie beyond a model's quantiles, over how often they should.

    Both sides of all columns together. A model of light tails rises to the left.

    Args:
        data: [N, D], held-out rows.
        samples: [M, D], rows drawn from each model, by its name; M ≥ 2·N.
        axis: where to draw.
        theme: colors.

    Returns:
        The axis.
    """
    if axis is None:
        figure = Figure(figsize=(5.2, 4.8), layout="constrained", facecolor=theme.paper)
        axis = figure.subplots()
    dress(axis, theme)
    least = max(20 / min(len(rows) for rows in samples.values()), 0.5 / len(data))
    levels = np.geomspace(least, 0.2, 30)
    for (name, rows), style in zip(samples.items(), _styles(theme), strict=False):
        ratios = [exceedances(data, rows, level).ratio for level in levels]
        axis.plot(levels, ratios, label=name, **style)
    axis.axhline(1, color=theme.data, lw=1.2)
    axis.set_xscale("log")
    axis.set(xlabel="probability beyond the quantile", ylabel="observed / expected")
    axis.legend(frameon=False, labelcolor=theme.ink)
    return axis


def tail_quantile_plot(
    data: np.ndarray,
    samples: Mapping[str, np.ndarray],
    *,
    column: str = "x",
    axis: Axes | None = None,
    theme: Theme = LIGHT,
) -> Axes:
    """Draws quantiles of models against those of data, both tails, in scales of data.

    Both are measured from data's median in its interquartile ranges, on an axis that
    is logarithmic beyond one of them: a model whose points leave the diagonal towards
    the center has tails that are too light.

    Args:
        data: [N], held-out values.
        samples: [M], values drawn from each model, by its name.
        column: what is drawn, for the labels.
        axis: where to draw.
        theme: colors.

    Returns:
        The axis.
    """
    if axis is None:
        figure = Figure(figsize=(5.2, 4.8), layout="constrained", facecolor=theme.paper)
        axis = figure.subplots()
        heading(figure, "Points should lie on the diagonal", theme)
    dress(axis, theme)
    center = np.median(data)
    spread = np.subtract(*np.quantile(data, [0.75, 0.25]))
    for (name, values), style in zip(samples.items(), _styles(theme), strict=False):
        _, observed, modeled = tail_quantiles(data, values)
        axis.plot(
            (observed - center) / spread,
            (modeled - center) / spread,
            label=name,
            **style,
        )
    ends = np.array(axis.get_xlim())
    axis.plot(ends, ends, color=theme.data, lw=1.2)
    axis.set_xscale("symlog", linthresh=1.0)
    axis.set_yscale("symlog", linthresh=1.0)
    label = f"{shortened(column, 28)}: held-out quantile"
    axis.set_xlabel(label, parse_math=False)
    axis.set_ylabel("quantile of samples")
    axis.legend(frameon=False, labelcolor=theme.ink)
    return axis


def _styles(theme: Theme) -> list[dict[str, Any]]:
    colors = [theme.model, theme.muted, theme.ink, theme.data]
    return [
        {"color": color, "ls": style, "lw": 1.8}
        for color, style in zip(colors, _STYLES, strict=True)
    ]
