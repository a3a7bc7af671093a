"""Pictures of tails; imports matplotlib, as `plots` does."""

from collections.abc import Mapping

import numpy as np

from tfp_flows.diagnostics.tails import tail_quantiles
from tfp_flows.diagnostics.theme import LIGHT, Theme, dress, heading

try:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
except ImportError as error:
    raise ImportError(
        "Pictures need matplotlib, which is not installed. "
        'Run: pip install "tfp_flows[cli]"'
    ) from error

__all__ = ["tail_quantile_plot"]

_MARKERS = "os^Dv"


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
        data: Held-out values ``[N]``.
        samples: Values drawn from each model by its name, ``[M]``.
        column: What is drawn, for the labels.
        axis: Where to draw.
        theme: Colors.

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
    colors = [theme.model, theme.muted, theme.ink, theme.data]
    for index, (name, values) in enumerate(samples.items()):
        _, observed, modeled = tail_quantiles(data, values)
        axis.plot(
            (observed - center) / spread,
            (modeled - center) / spread,
            _MARKERS[index % len(_MARKERS)],
            ms=4,
            color=colors[index % len(colors)],
            label=name,
        )
    ends = np.array(axis.get_xlim())
    axis.plot(ends, ends, color=theme.data, lw=1.2)
    axis.set_xscale("symlog", linthresh=1.0)
    axis.set_yscale("symlog", linthresh=1.0)
    axis.set(xlabel=f"{column}: held-out quantile", ylabel="quantile of samples")
    axis.legend(frameon=False, labelcolor=theme.ink)
    return axis
