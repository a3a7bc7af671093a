"""Pictures of samples beside data, of ranks, and of the learning curve."""

from collections.abc import Mapping, Sequence
from itertools import cycle

import numpy as np

from tfp_flows.diagnostics.calibration import rank_band, uniformity
from tfp_flows.diagnostics.plots import limits, marks, pairs
from tfp_flows.diagnostics.plots.canvas import (
    Axes,
    Figure,
    as_images,
    new_figure,
    titled_axis,
)
from tfp_flows.diagnostics.plots.theme import (
    LIGHT,
    Theme,
    end_labels,
    heading,
    rgb,
    shortened,
)

__all__ = ["image_grid", "learning_curve", "pair_plot", "rank_histograms"]

MAX_PAIRED, MAX_RANKED = 6, 24
MAX_POINTS, MAX_IMAGES = 20_000, 49
DASHES = ((6, 2), (2, 2), (8, 2, 2, 2))


def learning_curve(
    history: Mapping[str, Sequence[float]],
    *,
    best_epoch: int | None = None,
    first_epoch: int = 1,
    yardsticks: Mapping[str, float] | None = None,
    unit: str = "nats",
    axis: Axes | None = None,
    theme: Theme = LIGHT,
) -> Axes:
    """Draws the loss of training and validation by epoch.

    The frame follows the later epochs and the yardsticks near them, so that a first
    epoch that is far off does not flatten the rest.

    Args:
        history: `loss` and, where there is one, `val_loss`, in `unit` a row by epoch.
        best_epoch: the epoch whose weights were kept.
        first_epoch: number of the first value; 0 where it is the start's.
        yardsticks: negative log-likelihoods of the validation rows in nats by name,
            drawn as level lines.
        unit: of the losses; "nats" are negative log-likelihoods.
        axis: where to draw.
        theme: colors.

    Returns:
        The axis.
    """
    title = "Loss by epoch: less is better"
    if unit == "nats":
        title = "Negative log-likelihood by epoch: less is better"
    if yardsticks:
        title = "Validation should end below the dashed lines: yardsticks on its rows"
    axis = titled_axis(axis, 4.2, title, theme)
    losses = "negative log-likelihood (nats per row)" if unit == "nats" else unit
    axis.set(xlabel="epoch", ylabel=losses)
    curves = {
        key: np.asarray(history[key], dtype=np.float64)
        for key in ("loss", "val_loss")
        if np.isfinite(history.get(key, ())).any()
    }
    levels = {k: v for k, v in (yardsticks or {}).items() if np.isfinite(v)}
    judged = curves.get("val_loss", curves.get("loss", np.zeros(0)))
    place = -1 if best_epoch is None else best_epoch - first_epoch
    best = judged[place : place + 1] if place >= 0 else judged[:0]
    low, high = limits.curve_limits(curves, list(levels.values()))
    axis.set_ylim(min([low, *best]), max([high, *best]))
    labels = []
    for key, values in curves.items():
        color = theme.muted if key == "loss" else theme.model
        epochs = first_epoch + np.arange(len(values))
        axis.plot(epochs, values, color=color, lw=1.8, marker="o", ms=2.5)
        name = "training" if key == "loss" else "validation"
        labels.append((values[np.isfinite(values)][-1], name, color))
    for (name, level), dashes in zip(levels.items(), cycle(DASHES), strict=False):
        axis.axhline(level, color=theme.data, lw=1.2, dashes=dashes)
        labels.append((level, f"{name} {level:.2f}", theme.data))
    axis.locator_params(axis="x", nbins=10, integer=True)
    end_labels(axis, labels)
    if len(best) and best_epoch is not None:
        marks.best_point(axis, best_epoch, float(best[0]), theme)
    return axis


def pair_plot(
    data: np.ndarray,
    samples: np.ndarray,
    columns: Sequence[str],
    *,
    figure: Figure | None = None,
    theme: Theme = LIGHT,
) -> Figure:
    """Draws data below and samples above the diagonal, both histograms on it.

    Limits hold 99% of the data, so that heavy tails do not squash the rest. Two
    columns are drawn side by side, one as a histogram.

    Args:
        data: [N, D]; of more than six columns the first six are drawn.
        samples: [M, D], rows drawn from the model.
        columns: D names.
        figure: where to draw.
        theme: colors.

    Returns:
        The figure.
    """
    size = min(len(columns), MAX_PAIRED)
    count = min(len(data), len(samples), MAX_POINTS)
    pair = limits.thinned(data, count), limits.thinned(samples, count)
    ranges = [limits.robust_limits(pair[0][:, i]) for i in range(size)]
    names = [shortened(name, 96 // size) for name in columns[:size]]
    figure = figure or new_figure({1: 4.2, 2: 8.4}.get(size, 9.8), theme)
    keys = [("held-out data", theme.data), ("model samples", theme.model)]
    title = "Both colors should show the same shapes"
    heading(figure, title, theme, keys)
    draw = pairs.two_columns if size == 2 else pairs.matrix
    draw(figure, names, pair, ranges, theme)
    return figure


def image_grid(
    data: np.ndarray,
    samples: np.ndarray,
    image_shape: Sequence[int],
    *,
    names: tuple[str, str] = ("held-out data", "model samples"),
    figure: Figure | None = None,
    theme: Theme = LIGHT,
) -> Figure:
    """Draws up to 49 images of data beside as many samples, in one gray scale.

    Args:
        data: [N, H·W·C] or [N, H, W, C].
        samples: the same of the model.
        image_shape: (H, W) or (H, W, C) with C of 1 or 3.
        names: what the two blocks are called.
        figure: where to draw.
        theme: colors.

    Returns:
        The figure.
    """
    figure = figure or new_figure(5.55, theme)
    heading(figure, "Could you tell the blocks apart?", theme)
    left, right = figure.subplots(1, 2, gridspec_kw={"wspace": 0.05})
    reference = as_images(data, image_shape)
    for axis, name, rows, color in (
        (left, names[0], data, theme.data),
        (right, names[1], samples, theme.model),
    ):
        images = limits.thinned(as_images(rows, image_shape), MAX_IMAGES)
        images = limits.unit_interval(images, reference)
        side = int(np.ceil(np.sqrt(len(images))))
        marks.pixels(axis, limits.mosaic(images, side, rgb(theme.paper)))
        axis.set_title(f"■ {name}", color=color, fontsize=9.5, loc="left")
    return figure


def rank_histograms(
    ranks: np.ndarray,
    columns: Sequence[str],
    *,
    shared_samples: int | None = None,
    figure: Figure | None = None,
    theme: Theme = LIGHT,
) -> Figure:
    """Draws one rank histogram a column with the band of 95% of the bars.

    Of more than 24 columns those with the largest deviation are drawn.

    Args:
        ranks: [N, D], of `column_ranks` or `conditional_ranks`.
        columns: D names.
        shared_samples: number of samples of `column_ranks`, None otherwise.
        figure: where to draw.
        theme: colors.

    Returns:
        The figure.
    """
    summary = uniformity(ranks, shared_samples=shared_samples)
    worst = np.argsort(-summary.deviation, kind="stable")[:MAX_RANKED]
    shown = np.sort(worst)
    wide = min(6, len(shown))
    deep = -(-len(shown) // wide)
    figure = figure or new_figure(0.7 + (1.5 if deep > 1 else 2.2) * deep, theme)
    title = "Bars should end in the gray band: ranks of held-out values among samples"
    keys = [("bar inside", theme.muted), ("bar outside", theme.model)]
    heading(figure, title, theme, keys)
    axes = figure.subplots(deep, wide, squeeze=False)
    bins = int(np.clip(len(ranks) // 25, 5, 20))
    band = rank_band(len(ranks), shared_samples=shared_samples, bins=bins)
    for axis in axes.flat[len(shown) :]:
        axis.set_axis_off()
    for axis, index in zip(axes.flat, shown, strict=False):
        marks.rank_bars(axis, ranks[:, index], band, bins, theme)
        outside = summary.outside[index]
        text = (
            f"{shortened(columns[index], 84 // wide)}  {summary.deviation[index]:.3f}"
        )
        color = theme.model if outside else theme.ink
        style = {"color": color, "fontsize": 9, "loc": "left", "parse_math": False}
        axis.set_title(text, **style)
    return figure
