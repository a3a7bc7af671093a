"""Pictures of a fitted density; the only module that imports matplotlib.

Every function draws on the axis or figure it is given, or on a new one of natural
size, and returns it. Orange is data, blue is the model, gray is everything else.
No global state of matplotlib is read or written.
"""

import dataclasses
import io
import math
import warnings
from collections.abc import Mapping, Sequence

import numpy as np

from tfp_flows.diagnostics.calibration import rank_band, uniformity

try:
    from matplotlib.axes import Axes
    from matplotlib.colors import LinearSegmentedColormap, to_rgb
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator
except ImportError as error:
    raise ImportError(
        "Pictures need matplotlib, which is not installed. "
        'Run: pip install "tfp_flows[cli]"'
    ) from error

__all__ = [
    "DARK",
    "LIGHT",
    "Theme",
    "image_grid",
    "learning_curve",
    "pair_plot",
    "png",
    "rank_histograms",
    "score_distribution",
    "worst_images",
    "worst_rows",
]

WIDTH = 10.0
MAX_PAIRED, MAX_RANKED, MAX_TABLED = 6, 24, 20
MAX_POINTS = 20_000
FRAME_QUANTILES = (0.005, 0.995)


@dataclasses.dataclass(frozen=True)
class Theme:
    """The colors of one look."""

    paper: str
    ink: str
    muted: str
    line: str
    band: str
    data: str
    model: str


LIGHT = Theme(
    paper="#ffffff",
    ink="#1c2530",
    muted="#5f6b78",
    line="#cfd6dd",
    band="#e6eaee",
    data="#d4692a",
    model="#2468a8",
)
DARK = Theme(
    paper="#171c23",
    ink="#e8ecf0",
    muted="#9ca8b4",
    line="#3a4450",
    band="#2a323c",
    data="#f09a5b",
    model="#67abe8",
)


def learning_curve(
    history: Mapping[str, Sequence[float]],
    *,
    best_epoch: int | None = None,
    yardsticks: Mapping[str, float] | None = None,
    axis: Axes | None = None,
    theme: Theme = LIGHT,
) -> Axes:
    """Draws the negative log-likelihood of training and validation by epoch.

    The frame follows the later epochs and the yardsticks near them: a first epoch
    that is far off leaves it instead of flattening the rest.

    Args:
        history: ``loss`` and, where there is one, ``val_loss``, nats a row by epoch.
        best_epoch: The epoch whose weights were kept, counted from 1.
        yardsticks: Negative log-likelihoods in nats by name, drawn as level lines.
        axis: Where to draw.
        theme: Colors.

    Returns:
        The axis.
    """
    axis = axis or _figure(WIDTH, 4.2, theme).subplots()
    _dress(axis, theme, "Learning curve: validation should level off below the lines")
    axis.set(xlabel="epoch", ylabel="negative log-likelihood (nats per row)")
    curves = [("training", "loss", theme.muted), ("validation", "val_loss", theme.model)]
    labels = []
    for name, key, color in curves:
        values = np.asarray(history.get(key, []), dtype=np.float64)
        if np.isfinite(values).any():
            axis.plot(1 + np.arange(len(values)), values, color=color, lw=1.8)
            labels.append((values[np.isfinite(values)][-1], name, color))
    low, high = _curve_frame(history, yardsticks or {})
    axis.set_ylim(low, high)
    axis.xaxis.set_major_locator(MaxNLocator(10, integer=True))
    for (name, value), dashes in zip(
        (yardsticks or {}).items(), ((5, 2), (1.5, 2), (7, 2, 1, 2)), strict=False
    ):
        if np.isfinite(value):
            axis.axhline(value, color=theme.data, lw=1.2, dashes=dashes)
            labels.append((value, f"{name} {value:.2f}", theme.data))
    _end_labels(axis, labels)
    curve = history.get("val_loss") or history.get("loss") or []
    if best_epoch is not None and 1 <= best_epoch <= len(curve):
        value = curve[best_epoch - 1]
        axis.plot(best_epoch, value, "o", ms=7, color=theme.model, mec=theme.paper)
        axis.annotate(
            f"best, epoch {best_epoch}: {value:.2f}",
            (best_epoch, value),
            xytext=(0, -16),
            textcoords="offset points",
            ha="right" if best_epoch > len(curve) / 2 else "left",
            color=theme.ink,
            fontsize=9,
        )
    return axis
