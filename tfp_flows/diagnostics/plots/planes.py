"""Pictures of densities in the plane; imports matplotlib, by way of `canvas`."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from tfp_flows.diagnostics.plots.canvas import WIDTH, Figure, new_figure
from tfp_flows.diagnostics.plots.limits import thinned
from tfp_flows.diagnostics.plots.theme import LIGHT, Theme, heading, shades

__all__ = ["density_maps"]

# Rows of one evaluation of a density.
_CHUNK = 2**14


def density_maps(
    data: np.ndarray,
    log_densities: Sequence[Mapping[str, Callable[[np.ndarray], np.ndarray]]],
    *,
    paths: Mapping[str, np.ndarray] | None = None,
    title: str = "",
    resolution: int = 160,
    figure: Figure | None = None,
    theme: Theme = LIGHT,
) -> Figure:
    """Draws rows of data and densities over the same part of the plane.

    The data stands at the top left, each row of densities beside or below it. Darker
    is denser; every map has its own scale, up to its 99.5 % quantile. With `paths` each
    row of densities has the ways of some rows at its left instead, from data (orange)
    to base (blue).

    Args:
        data: [N, 2]; the maps cover them with a margin.
        log_densities: one mapping for each row of pictures: name to a function of
            [M, 2] points that returns [M] log-densities.
        paths: for each row of pictures a name and [J, N, 2], N rows at J times.
        title: what the picture says.
        resolution: points a side.
        figure: where to draw.
        theme: colors.

    Returns:
        The figure.

    Raises:
        ValueError: data that is not in the plane.
    """
    data = np.asarray(data)
    if data.ndim != 2 or data.shape[1] != 2:
        raise ValueError(
            f"density_maps draws the plane: expected rows [N, 2], received shape "
            f"{data.shape}."
        )
    columns = 1 + max(len(row) for row in log_densities)
    if figure is None:
        figure = new_figure(WIDTH / columns * len(log_densities) + 0.9, theme)
    heading(figure, title, theme)
    axes = figure.subplots(len(log_densities), columns, squeeze=False)
    covered = np.concatenate([data, *(states[-1] for states in (paths or {}).values())])
    limits = [_limits(covered[:, i]) for i in range(2)]
    for line, row in zip(axes, log_densities, strict=True):
        for axis in line:
            axis.set_axis_off()
        for axis, (name, log_density) in zip(line[1:], row.items(), strict=False):
            image = _density(log_density, limits, resolution)
            axis.imshow(
                shades(image, (theme.paper, theme.model)),
                origin="lower",
                extent=(*limits[0], *limits[1]),
            )
            axis.set_title(name, color=theme.model, fontsize=9, loc="left")
    for axis in axes[:, 0]:
        axis.set(xlim=limits[0], ylim=limits[1], aspect="equal")
    if paths is None:
        axes[0, 0].scatter(
            *thinned(data, 3_000).T, s=0.6, color=theme.data, linewidths=0
        )
        axes[0, 0].set_title("data", color=theme.data, fontsize=9, loc="left")
        return figure
    for axis, (name, states) in zip(axes[:, 0], paths.items(), strict=True):
        axis.plot(*np.moveaxis(states, 2, 0), color=theme.muted, linewidth=0.5)
        for ends, color in ((states[0], theme.data), (states[-1], theme.model)):
            axis.scatter(*ends.T, s=4, color=color, linewidths=0, zorder=2)
        axis.set_title(name, color=theme.ink, fontsize=9, loc="left")
    return figure


def _limits(values: np.ndarray) -> tuple[float, float]:
    low, high = np.quantile(values, [0.001, 0.999])
    margin = 0.15 * (high - low)
    return float(low - margin), float(high + margin)


def _density(
    log_density: Callable[[np.ndarray], np.ndarray],
    limits: Sequence[tuple[float, float]],
    resolution: int,
) -> np.ndarray:
    """The density on a grid, [y, x], from below, between 0 and 1."""
    x, y = (np.linspace(low, high, resolution) for low, high in limits)
    points = np.stack(np.meshgrid(x, y), -1).reshape(-1, 2).astype("float32")
    parts = [
        np.asarray(log_density(points[start : start + _CHUNK]))
        for start in range(0, len(points), _CHUNK)
    ]
    density = np.exp(np.concatenate(parts).astype("float64"))
    largest = max(float(np.quantile(density, 0.995)), np.finfo(float).tiny)
    return np.clip(density / largest, 0, 1).reshape(resolution, resolution)
