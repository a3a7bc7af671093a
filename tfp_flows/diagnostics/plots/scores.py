"""Pictures of log-densities: how rows score, and what the worst explained look like."""

from collections.abc import Sequence

import numpy as np

from tfp_flows.diagnostics.plots import limits, marks
from tfp_flows.diagnostics.plots.canvas import (
    Axes,
    Figure,
    as_images,
    new_figure,
    titled_axis,
)
from tfp_flows.diagnostics.plots.theme import LIGHT, Theme, heading, shortened

__all__ = ["score_distribution", "worst_images", "worst_rows"]

MAX_TABLED = 12


def worst_rows(
    rows: np.ndarray,
    scores: np.ndarray,
    reference: np.ndarray,
    columns: Sequence[str],
    *,
    labels: Sequence[str] | None = None,
    figure: Figure | None = None,
    theme: Theme = LIGHT,
) -> Figure:
    """Draws a table of rows, colored by how unusual each value is in its column.

    Of more than 12 columns those with the largest scores are drawn.

    Args:
        rows: [N, D], worst first.
        scores: [N], their log-densities in nats.
        reference: [M, D], rows that say what is usual.
        columns: D names.
        labels: N names; the default is their place.
        figure: where to draw.
        theme: colors.

    Returns:
        The figure.
    """
    scored = limits.robust_scores(rows, reference)
    largest = np.argsort(-np.abs(scored).max(axis=0), kind="stable")
    shown = np.sort(largest[:MAX_TABLED])
    figure = figure or new_figure(1.25 + 0.3 * len(rows), theme)
    title = "A strong color is a value far from its column's median"
    keys = [("low for its column", theme.model), ("high", theme.data)]
    heading(figure, title, theme, keys)
    axis = figure.subplots()
    marks.cells(axis, rows[:, shown], scored[:, shown], theme)
    names = [shortened(columns[index], max(12, 72 // len(shown))) for index in shown]
    axis.set_xticks(range(len(shown)), names, parse_math=False)
    if len(shown) * max(map(len, names)) > 90:
        axis.tick_params(axis="x", labelrotation=25)
    labels = labels or [f"worst {place}" for place in range(1, 1 + len(rows))]
    sides = [f"{k}   {v:.1f} nats" for k, v in zip(labels, scores, strict=True)]
    axis.set_yticks(range(len(rows)), sides, color=theme.ink)
    return figure


def worst_images(
    images: np.ndarray,
    scores: np.ndarray,
    reference: np.ndarray,
    image_shape: Sequence[int],
    *,
    labels: Sequence[str] | None = None,
    figure: Figure | None = None,
    theme: Theme = LIGHT,
) -> Figure:
    """Draws images with their log-densities.

    Args:
        images: [N, H·W·C] or [N, H, W, C], worst first.
        scores: [N], their log-densities in nats.
        reference: images whose range of values sets black and white.
        image_shape: (H, W) or (H, W, C) with C of 1 or 3.
        labels: N names; the default is their place.
        figure: where to draw.
        theme: colors.

    Returns:
        The figure.
    """
    images = as_images(images, image_shape)
    images = limits.unit_interval(images, as_images(reference, image_shape))
    wide = min(8, len(images))
    deep = -(-len(images) // wide)
    figure = figure or new_figure(0.45 + 1.62 * deep, theme)
    heading(figure, "What do the worst explained images share?", theme)
    axes = figure.subplots(deep, wide, squeeze=False)
    labels = labels or [f"worst {place}" for place in range(1, 1 + len(images))]
    for axis in axes.flat[len(images) :]:
        axis.set_axis_off()
    for axis, image, label, score in zip(
        axes.flat, images, labels, scores, strict=False
    ):
        marks.pixels(axis, image)
        text = f"{label}\n{score:.1f} nats"
        axis.set_title(text, fontsize=8.5, color=theme.ink, loc="left")
    return figure


def score_distribution(
    held_out_scores: np.ndarray,
    sample_scores: np.ndarray,
    *,
    axis: Axes | None = None,
    theme: Theme = LIGHT,
) -> Axes:
    """Draws the log-densities of held-out rows against those of model samples.

    Both agree for a right model: each then scores minus its own entropy on average.

    Args:
        held_out_scores: [N], nats.
        sample_scores: [M], nats.
        axis: where to draw.
        theme: colors.

    Returns:
        The axis.
    """
    title = "Held-out rows should score like the model's own samples"
    axis = titled_axis(axis, 3.8, title, theme)
    both = np.concatenate([held_out_scores, sample_scores])
    low, high = limits.robust_limits(both, tail=0.01)
    edges = np.linspace(low, high, 61)
    notes = [(f"■ model samples, median {np.median(sample_scores):.2f}", theme.model)]
    notes += [(f"■ held-out data, median {np.median(held_out_scores):.2f}", theme.data)]
    marks.histogram(axis, held_out_scores, edges, theme.data, filled=True)
    marks.histogram(axis, sample_scores, edges, theme.model, filled=False)
    beyond = int(np.sum(held_out_scores < low))
    if beyond:
        rows = "row" if beyond == 1 else "rows"
        lowest = f"{held_out_scores.min():.4g}"
        text = f"← {beyond} held-out {rows} further left, to {lowest}"
        notes.append((text, theme.data))
    for line, (text, color) in enumerate(notes):
        axis.annotate(
            text,
            (0, 1),
            xytext=(4, -14 - 16 * line),
            xycoords="axes fraction",
            textcoords="offset points",
            color=color,
            fontsize=9.5,
        )
    axis.set(xlabel="log-density (nats)", xlim=(low, high), ylim=(0, None))
    axis.set_yticks([])
    axis.spines["left"].set_visible(False)
    return axis
