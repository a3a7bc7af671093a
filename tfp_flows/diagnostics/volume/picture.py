"""The picture of a flow's volume change through its layers, growing over epochs."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tfp_flows.diagnostics.plots.canvas import Axes, new_figure, png, titled_axis
from tfp_flows.diagnostics.plots.theme import (
    LIGHT,
    Theme,
    compact,
    end_labels,
    heading,
    shades,
    shortened,
)
from tfp_flows.diagnostics.volume.record import VolumeReport

__all__ = ["singular_value_history", "volume_profile", "write_profile"]

_MAX_LINES, _MAX_NAMES = 40, 26
_HEIGHT = 4.4


def volume_profile(
    reports: Sequence[VolumeReport], *, axis: Axes | None = None, theme: Theme = LIGHT
) -> Axes:
    """Draws the cumulative log-det per dimension after each layer, a line a report.

    The first report is pale, the last dark; both are named where they end. Of more
    than 40 reports 40 are drawn, evenly chosen.

    Args:
        reports: of one flow, oldest first.
        axis: where to draw.
        theme: colors.

    Returns:
        The axis.

    Raises:
        ValueError: there is no report.
    """
    _check(reports)
    axis = titled_axis(axis, _HEIGHT, "Volume change up to each layer", theme)
    chosen = np.unique(np.linspace(0, len(reports) - 1, _MAX_LINES).round().astype(int))
    strengths = np.linspace(0.0, 1.0, len(chosen)) if len(chosen) > 1 else [1.0]
    for index, strength in zip(chosen, strengths, strict=True):
        profile = (0.0, *reports[index].profile)
        color = shades(np.asarray(strength), [theme.line, theme.model])
        width = 2.0 if index == len(reports) - 1 else 1.0
        axis.plot(range(len(profile)), profile, color=color, lw=width)
    axis.axhline(0.0, color=theme.line, lw=0.8, zorder=0)
    axis.set(ylabel="cumulative log-det (nats per dimension)")
    names = ["data", *(layer.name for layer in reports[-1].layers)]
    apart = -(-len(names) // _MAX_NAMES)
    labels = [shortened(name, 18) for name in names[::apart]]
    axis.set_xticks(range(0, len(names), apart), labels, rotation=40, ha="right")
    axis.set_xlim(0, len(names) - 1)
    ends = [(reports[-1], theme.model)]
    if len(reports) > 1:
        ends.append((reports[0], theme.muted))
    _name_ends(axis, [(end.profile[-1], _when(end), color) for end, color in ends])
    return axis


def singular_value_history(
    reports: Sequence[VolumeReport], *, axis: Axes | None = None, theme: Theme = LIGHT
) -> Axes:
    """Draws the extreme singular values of the trained part by step.

    Args:
        reports: of one flow, oldest first.
        axis: where to draw.
        theme: colors.

    Returns:
        The axis.

    Raises:
        ValueError: there is no report.
    """
    _check(reports)
    axis = titled_axis(axis, _HEIGHT, "Singular values", theme)
    axis.set_yscale("log")
    axis.axhline(1.0, color=theme.line, lw=0.8, zorder=0)
    steps = [report.step for report in reports]
    for name in ("largest", "smallest"):
        values = np.array([getattr(report, name) for report in reports])
        drawn = np.where(np.isfinite(values) & (values > 0), values, np.nan)
        axis.plot(steps, drawn, color=theme.model, lw=1.8, marker="o", ms=2.5)
        # At the edges of the frame, where the other curve cannot cross the text.
        is_top = name == "largest"
        axis.annotate(
            f"{name} {compact(float(values[-1]))}",
            (1.0, 1.0 if is_top else 0.0),
            xytext=(0, -3 if is_top else 3),
            xycoords="axes fraction",
            textcoords="offset points",
            color=theme.model,
            fontsize=9,
            ha="right",
            va="top" if is_top else "bottom",
        )
    axis.margins(y=0.15)
    axis.locator_params(axis="x", nbins=4, integer=True)
    axis.set(xlabel="step")
    return axis


def write_profile(
    path: str | Path, reports: Sequence[VolumeReport], *, theme: Theme = LIGHT
) -> None:
    """Writes `volume_profile` and `singular_value_history` as one PNG file.

    Args:
        path: of the file.
        reports: of one flow, oldest first.
        theme: colors.

    Raises:
        ValueError: there is no report.
    """
    _check(reports)
    figure = new_figure(_HEIGHT, theme)
    last = reports[-1]
    title = "Lines should settle as they darken: one that keeps running is trouble"
    flags = ", ".join(last.flags)
    keys = [
        (f"{_when(last)}: round trip {last.round_trip:.1e}", theme.model),
        (f"flags: {flags or 'none'}", theme.data if flags else theme.muted),
    ]
    heading(figure, title, theme, keys)
    left, right = figure.subplots(1, 2, gridspec_kw={"width_ratios": (2.6, 1)})
    volume_profile(reports, axis=left, theme=theme)
    singular_value_history(reports, axis=right, theme=theme)
    Path(path).write_bytes(png(figure))


def _check(reports: Sequence[VolumeReport]) -> None:
    if not reports:
        raise ValueError("Expected at least one report, received none. Measure first.")


def _when(report: VolumeReport) -> str:
    return f"epoch {report.epoch}, step {report.step}" if report.step else "start"


def _name_ends(axis: Axes, labels: Sequence[tuple[float, str, str]]) -> None:
    finite = [label for label in labels if np.isfinite(label[0])]
    if finite:
        end_labels(axis, finite)
