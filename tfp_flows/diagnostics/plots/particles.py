"""Pictures of particles: how far apart, how strained, and where they stand."""

import itertools

import numpy as np

from tfp_flows.diagnostics.plots.canvas import Figure, new_figure
from tfp_flows.diagnostics.plots.limits import robust_limits
from tfp_flows.diagnostics.plots.marks import few_ticks, histogram
from tfp_flows.diagnostics.plots.theme import LIGHT, Theme, dress, heading

__all__ = ["configurations", "distances_and_energies"]

_SHOWN, _BINS = 12, 60
# Of a smaller share of samples beyond the frame a histogram says enough.
_BEYOND = 0.01


def distances_and_energies(
    data: np.ndarray,
    samples: np.ndarray,
    energies: tuple[np.ndarray, np.ndarray] | None = None,
    *,
    shares: np.ndarray | None = None,
    figure: Figure | None = None,
    theme: Theme = LIGHT,
) -> Figure:
    """Draws histograms of all pair distances, and of energies where there are some.

    Args:
        data: [K, N, n].
        samples: [M, N, n], rows drawn from the model.
        energies: of the data, [K], and of the samples, [M].
        shares: of the samples in the density of the energy, [M], which sum to one:
            drawn beside them as they are.
        figure: where to draw.
        theme: colors.

    Returns:
        The figure.
    """
    figure = figure or new_figure(3.6, theme)
    keys = [("held-out data", theme.data), ("model samples", theme.model)]
    if shares is not None:
        keys.append(("model samples, weighted", theme.ink))
    heading(figure, "All colors should show the same shapes", theme, keys)
    pictures = {"distance of a pair": (_distances(data), _distances(samples))}
    if energies is not None:
        pictures["energy (kT)"] = energies
    axes = figure.subplots(1, len(pictures), squeeze=False)[0]
    for axis, (name, (left, right)) in zip(axes, pictures.items(), strict=True):
        dress(axis, theme, size=8)
        limits = robust_limits(left)
        edges = np.linspace(*limits, _BINS + 1)
        histogram(axis, left, edges, theme.data, filled=True)
        histogram(axis, right, edges, theme.model, filled=False)
        if shares is not None:
            each = len(right) // len(shares)
            parts = np.repeat(shares / each, each)
            histogram(axis, right, edges, theme.ink, filled=False, shares=parts)
        beyond = float(np.mean((right < limits[0]) | (right > limits[1])))
        if beyond > _BEYOND:
            name += f" ({beyond:.1%} of the samples lie beyond)"
        axis.set(xlabel=name, xlim=limits, ylim=(0, None))
        few_ticks(axis)
        axis.set_yticks([])
    return figure


def configurations(
    data: np.ndarray,
    samples: np.ndarray,
    *,
    figure: Figure | None = None,
    theme: Theme = LIGHT,
) -> Figure:
    """Draws twelve configurations of data above as many samples, turned alike.

    Each is seen along its directions of largest spread; in space nearer particles are
    drawn larger.

    Args:
        data: [K, N, n].
        samples: [M, N, n].
        figure: where to draw.
        theme: colors.

    Returns:
        The figure.
    """
    figure = figure or new_figure(5.6, theme)
    keys = [("held-out data", theme.data), ("model samples", theme.model)]
    heading(figure, "Could you tell the blocks apart?", theme, keys)
    axes = figure.subplots(4, _SHOWN // 2)
    reach = 1.1 * np.abs(np.concatenate([_turned(x) for x in data[:_SHOWN]])).max()
    rows = itertools.chain(data[:_SHOWN], samples[:_SHOWN])
    colors = [theme.data] * _SHOWN + [theme.model] * _SHOWN
    for axis, x, color in zip(axes.flat, rows, colors, strict=False):
        dress(axis, theme, size=8)
        x = _turned(x)
        depth = x[:, 2] / reach if x.shape[1] > 2 else np.zeros(len(x))
        order = np.argsort(depth)
        sizes = 60 * (1 + 0.6 * depth[order])
        axis.scatter(*x[order, :2].T, s=sizes, color=color, ec=theme.paper, lw=0.8)
        axis.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
        axis.set_xticks([])
        axis.set_yticks([])
    return figure


def _distances(x: np.ndarray) -> np.ndarray:
    first, second = np.triu_indices(x.shape[1], k=1)
    return np.linalg.norm(x[:, first] - x[:, second], axis=-1).ravel()


def _turned(x: np.ndarray) -> np.ndarray:
    """[N, max(n, 2)] about the center, along the principal axes."""
    x = x - x.mean(axis=0)
    turned = x @ np.linalg.svd(x, full_matrices=False)[2].T
    return np.pad(turned, [(0, 0), (0, max(0, 2 - x.shape[1]))])
