"""One look for all pictures: orange is data, blue is the model, gray is the rest.

The functions change axes they are given and need no import of matplotlib.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = [
    "DARK",
    "LIGHT",
    "Theme",
    "compact",
    "dress",
    "end_labels",
    "heading",
    "rgb",
    "shades",
    "shortened",
]

TITLE_INCHES, KEYS_INCHES = 0.36, 0.26


@dataclasses.dataclass(frozen=True)
class Theme:
    """The colors of one look, as hexadecimal strings."""

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
    band="#e4e8ed",
    data="#d4692a",
    model="#2468a8",
)
DARK = Theme(
    paper="#171c23",
    ink="#e8ecf0",
    muted="#9ca8b4",
    line="#3a4450",
    band="#2c3540",
    data="#f09a5b",
    model="#67abe8",
)


def dress(axis: Any, theme: Theme, *, size: float = 9.0) -> None:
    """Gives a matplotlib axis the colors of the theme and two quiet spines."""
    axis.set_facecolor(theme.paper)
    axis.tick_params(colors=theme.muted, labelsize=size, length=3, width=0.8)
    for side, spine in axis.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set(color=theme.line, linewidth=0.8)
    for label in (axis.xaxis.label, axis.yaxis.label):
        label.set(color=theme.muted, fontsize=size)


def heading(
    figure: Any, title: str, theme: Theme, keys: Sequence[tuple[str, str]] = ()
) -> None:
    """Writes a title at the top left and, below it, the meaning of colors.

    A constrained layout is told to keep that room free.

    Args:
        figure: a matplotlib figure.
        title: one line that says what to look for.
        theme: colors of the text.
        keys: pairs of text and color.
    """
    height, width = figure.get_figheight(), figure.get_figwidth()
    used = TITLE_INCHES + (KEYS_INCHES if keys else 0.0)
    if figure.get_layout_engine() is not None:
        figure.get_layout_engine().set(rect=(0, 0, 1, 1 - used / height))
    style = {"va": "top", "ha": "left"}
    title_at = 0.03 / width, 1 - 0.08 / height
    figure.text(*title_at, title, color=theme.ink, fontsize=11.5, **style)
    left = 0.03
    for text, color in keys:
        at = left / width, 1 - TITLE_INCHES / height
        figure.text(*at, f"■ {text}", color=color, fontsize=9.5, **style)
        left += 0.4 + 0.075 * len(text)


def end_labels(axis: Any, labels: Sequence[tuple[float, str, str]]) -> None:
    """Writes (value, text, color) right of the frame, moved apart if they collide."""
    low, high = axis.get_ylim()
    gap = 0.17 / (axis.figure.get_figheight() * axis.get_position().height)
    position = -gap
    heights = []
    for value, _, _ in sorted(labels):
        position = max(position + gap, min((value - low) / (high - low), 1.0))
        heights.append(position)
    overflow = max(0.0, heights[-1] - 1.0) if heights else 0.0
    for height, (value, text, color) in zip(heights, sorted(labels), strict=True):
        mark = " ↑" if value > high else " ↓" if value < low else ""
        axis.text(
            1.01,
            height - overflow,
            text + mark,
            color=color,
            fontsize=9,
            va="center",
            transform=axis.transAxes,
        )


def shortened(name: str, length: int = 14) -> str:
    """Returns the name on one line, cut to `length` characters."""
    name = " ".join(str(name).split())
    return name if len(name) <= length else name[: length - 1] + "…"


def compact(value: float) -> str:
    """Returns about three digits in few characters, 1.23e-05 as 1.2e-5."""
    text = f"{value:.3g}"
    if "e" not in text:
        return text
    if 1000 <= abs(value) < 100_000:
        return f"{value:.0f}"
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def rgb(color: str) -> tuple[float, float, float]:
    """Returns the parts of a hexadecimal color in [0, 1]."""
    red, green, blue = (int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return red, green, blue


def shades(strength: np.ndarray, colors: Sequence[str]) -> np.ndarray:
    """Interpolates colors at equal distances over [0, 1]: [...] → [..., 3]."""
    stops = np.linspace(0, 1, len(colors))
    parts = np.transpose([rgb(color) for color in colors])
    return np.stack([np.interp(strength, stops, part) for part in parts], axis=-1)
