"""The picture of a flow's volume change through its layers, growing over epochs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfp_flows.diagnostics.canvas import Axes, png, titled_axis
from tfp_flows.diagnostics.theme import LIGHT, Theme, shades, shortened
from tfp_flows.diagnostics.volume import VolumeReport

__all__ = ["volume_profile", "write_profile"]

_MAX_LINES, _MAX_NAMES = 40, 26


def volume_profile(
    reports: Sequence[VolumeReport], *, axis: Axes | None = None, theme: Theme = LIGHT
) -> Axes:
    """Draws the cumulative log-det per dimension after each layer, a line a report.

    The first report is pale, the last dark with its range of singular values beside
    it. Of more than 40 reports 40 are drawn, evenly chosen.

    Args:
        reports: of one flow, oldest first.
        axis: Where to draw.
        theme: Colors.

    Returns:
        The axis.

    Raises:
        ValueError: there is no report.
    """
    if not reports:
        raise ValueError("Expected at least one report, received none. Measure first.")
    title = "A profile that runs away from zero is trouble"
    axis = titled_axis(axis, 4.2, title, theme)
    chosen = np.unique(np.linspace(0, len(reports) - 1, _MAX_LINES).round().astype(int))
    strengths = np.linspace(0.0, 1.0, len(chosen)) if len(chosen) > 1 else [1.0]
    for index, strength in zip(chosen, strengths, strict=True):
        profile = (0.0, *reports[index].profile)
        color = shades(np.asarray(strength), [theme.line, theme.model])
        width = 2.0 if index == len(reports) - 1 else 1.0
        axis.plot(range(len(profile)), profile, color=color, lw=width)
    last = reports[-1]
    axis.annotate(
        f"epoch {last.epoch}, step {last.step}\nsingular values "
        f"{last.smallest:.2g} … {last.largest:.2g}\nround trip {last.round_trip:.1e}",
        (1.01, 0.5),
        xycoords="axes fraction",
        color=theme.model,
        fontsize=9,
        va="center",
    )
    axis.axhline(0.0, color=theme.line, lw=0.8, zorder=0)
    axis.set(ylabel="cumulative log-det (nats per dimension)")
    names = ["data", *(layer.name for layer in last.layers)]
    apart = -(-len(names) // _MAX_NAMES)
    labels = [shortened(name, 18) for name in names[::apart]]
    axis.set_xticks(range(0, len(names), apart), labels, rotation=40, ha="right")
    return axis


def write_profile(path: str | Path, reports: Sequence[VolumeReport]) -> None:
    """Writes `volume_profile` as a PNG file."""
    figure: Any = volume_profile(reports).figure
    Path(path).write_bytes(png(figure))
