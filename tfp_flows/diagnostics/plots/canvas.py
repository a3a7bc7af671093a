"""Figures of one width and look, their bytes, and rows as images.

What every picture starts from and ends in.
"""

import io
import warnings
from collections.abc import Sequence

import numpy as np

from tfp_flows.diagnostics.plots.theme import Theme, dress, heading

try:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
except ImportError as error:
    raise ImportError(
        "Pictures need matplotlib, which is not installed. "
        'Run: pip install "tfp_flows[cli]"'
    ) from error

__all__ = [
    "Axes",
    "Figure",
    "WIDTH",
    "as_images",
    "new_figure",
    "png",
    "titled_axis",
]

WIDTH = 10.0


def new_figure(height: float, theme: Theme) -> Figure:
    """Returns an empty figure of the common width, `height` in inches."""
    size = WIDTH, height
    return Figure(figsize=size, layout="constrained", facecolor=theme.paper)


def titled_axis(axis: Axes | None, height: float, title: str, theme: Theme) -> Axes:
    """Returns the axis given, or that of a new figure, with a title and its colors."""
    if axis is None:
        axis = new_figure(height, theme).subplots()
        heading(axis.figure, title, theme)
    else:
        axis.set_title(title, loc="left", color=theme.ink, fontsize=11.5)
    dress(axis, theme)
    return axis


def as_images(rows: np.ndarray, image_shape: Sequence[int]) -> np.ndarray:
    """Returns rows [N, H·W·C], or images, as [N, H, W, C].

    Raises:
        ValueError: another number of values, or C is neither 1 nor 3.
    """
    height, width, channels = (*image_shape, 1)[:3]
    if channels not in (1, 3) or rows[0].size != height * width * channels:
        raise ValueError(
            f"Expected rows of H·W·C values with C of 1 or 3, received "
            f"{rows[0].size} values for image_shape={tuple(image_shape)}."
        )
    return rows.reshape(-1, height, width, channels)


def png(figure: Figure, *, dpi: int = 144) -> bytes:
    """Returns the figure as the bytes of a PNG file.

    Args:
        figure: any figure.
        dpi: pixels an inch.
    """
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # A column name in a script the font lacks is drawn as boxes.
        warnings.filterwarnings("ignore", message="Glyph")
        figure.savefig(buffer, format="png", dpi=dpi, facecolor=figure.get_facecolor())
    return buffer.getvalue()
