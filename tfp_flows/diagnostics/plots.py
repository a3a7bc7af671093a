"""Pictures of a fitted density; with `volume_plot` what imports matplotlib.

Every function draws on the axis or figure it is given, or on a new one of natural
size, and returns it. Orange is data, blue is the model, gray is everything else. No
global state of matplotlib is read or written.
"""

import io
import warnings
from collections.abc import Mapping, Sequence
from itertools import cycle

import numpy as np

from tfp_flows.diagnostics import frames, marks, pairs
from tfp_flows.diagnostics.calibration import rank_band, uniformity
from tfp_flows.diagnostics.theme import (
    LIGHT,
    Theme,
    dress,
    end_labels,
    heading,
    rgb,
    shortened,
)

try:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
except ImportError as error:
    raise ImportError(
        "Pictures need matplotlib, which is not installed. "
        'Run: pip install "tfp_flows[cli]"'
    ) from error

__all__ = [
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
MAX_PAIRED, MAX_RANKED, MAX_TABLED = 6, 24, 12
MAX_POINTS, MAX_IMAGES = 20_000, 49
DASHES = ((6, 2), (2, 2), (8, 2, 2, 2))


def learning_curve(
    history: Mapping[str, Sequence[float]],
    *,
    best_epoch: int | None = None,
    yardsticks: Mapping[str, float] | None = None,
    axis: Axes | None = None,
    theme: Theme = LIGHT,
) -> Axes:
    """Draws the negative log-likelihood of training and validation by epoch.

    The frame follows the later epochs and the yardsticks near them, so that a first
    epoch that is far off does not flatten the rest.

    Args:
        history: ``loss`` and, where there is one, ``val_loss``: nats a row by epoch.
        best_epoch: The epoch whose weights were kept, counted from 1.
        yardsticks: Negative log-likelihoods in nats by name, drawn as level lines.
        axis: Where to draw.
        theme: Colors.

    Returns:
        The axis.
    """
    axis = _titled(axis, 4.2, "The curves should end below the dashed lines", theme)
    axis.set(xlabel="epoch", ylabel="negative log-likelihood (nats per row)")
    curves = {
        key: np.asarray(history[key], dtype=np.float64)
        for key in ("loss", "val_loss")
        if np.isfinite(history.get(key, ())).any()
    }
    levels = {k: v for k, v in (yardsticks or {}).items() if np.isfinite(v)}
    axis.set_ylim(*frames.curve_limits(curves, list(levels.values())))
    labels = []
    for key, values in curves.items():
        color = theme.muted if key == "loss" else theme.model
        epochs = 1 + np.arange(len(values))
        axis.plot(epochs, values, color=color, lw=1.8, marker="o", ms=2.5)
        name = "training" if key == "loss" else "validation"
        labels.append((values[np.isfinite(values)][-1], name, color))
    for (name, level), dashes in zip(levels.items(), cycle(DASHES), strict=False):
        axis.axhline(level, color=theme.data, lw=1.2, dashes=dashes)
        labels.append((level, f"{name} {level:.2f}", theme.data))
    axis.locator_params(axis="x", nbins=10, integer=True)
    end_labels(axis, labels)
    judged = curves.get("val_loss", curves.get("loss", np.zeros(0)))
    if best_epoch is not None and 1 <= best_epoch <= len(judged):
        marks.best_point(axis, best_epoch, judged, theme)
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
        data: Rows ``[N, D]``; of more than six columns the first six are drawn.
        samples: Rows drawn from the model ``[M, D]``.
        columns: D names.
        figure: Where to draw.
        theme: Colors.

    Returns:
        The figure.
    """
    size = min(len(columns), MAX_PAIRED)
    count = min(len(data), len(samples), MAX_POINTS)
    pair = frames.thinned(data, count), frames.thinned(samples, count)
    limits = [frames.robust_limits(pair[0][:, i]) for i in range(size)]
    names = [shortened(name, 96 // size) for name in columns[:size]]
    figure = figure or _figure({1: 4.2, 2: 8.4}.get(size, 9.8), theme)
    keys = [("held-out data", theme.data), ("model samples", theme.model)]
    title = "Both colors should show the same shapes"
    heading(figure, title, theme, keys)
    draw = pairs.two_columns if size == 2 else pairs.matrix
    draw(figure, names, pair, limits, theme)
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
        data: Rows ``[N, H·W·C]`` or images.
        samples: The same of the model.
        image_shape: ``(H, W)`` or ``(H, W, C)`` with C of 1 or 3.
        names: What the two blocks are called.
        figure: Where to draw.
        theme: Colors.

    Returns:
        The figure.
    """
    figure = figure or _figure(5.55, theme)
    heading(figure, "Could you tell the blocks apart?", theme)
    left, right = figure.subplots(1, 2, gridspec_kw={"wspace": 0.05})
    reference = _images(data, image_shape)
    for axis, name, rows, color in (
        (left, names[0], data, theme.data),
        (right, names[1], samples, theme.model),
    ):
        images = frames.thinned(_images(rows, image_shape), MAX_IMAGES)
        images = frames.unit_interval(images, reference)
        side = int(np.ceil(np.sqrt(len(images))))
        marks.pixels(axis, frames.mosaic(images, side, rgb(theme.paper)))
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
        ranks: Of `column_ranks` or `conditional_ranks`, ``[N, D]``.
        columns: D names.
        shared_samples: Number of samples of `column_ranks`, None otherwise.
        figure: Where to draw.
        theme: Colors.

    Returns:
        The figure.
    """
    summary = uniformity(ranks, shared_samples=shared_samples)
    worst = np.argsort(-summary.deviation, kind="stable")[:MAX_RANKED]
    shown = np.sort(worst)
    wide = min(6, len(shown))
    deep = -(-len(shown) // wide)
    figure = figure or _figure(0.7 + (1.5 if deep > 1 else 2.2) * deep, theme)
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
        rows: ``[N, D]``, worst first.
        scores: Their log-densities in nats, ``[N]``.
        reference: Rows that say what is usual, ``[M, D]``.
        columns: D names.
        labels: N names; the default is their place.
        figure: Where to draw.
        theme: Colors.

    Returns:
        The figure.
    """
    scored = frames.robust_scores(rows, reference)
    largest = np.argsort(-np.abs(scored).max(axis=0), kind="stable")
    shown = np.sort(largest[:MAX_TABLED])
    figure = figure or _figure(1.25 + 0.3 * len(rows), theme)
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
        images: Rows ``[N, H·W·C]`` or images, worst first.
        scores: Their log-densities in nats, ``[N]``.
        reference: Images whose range of values sets black and white.
        image_shape: ``(H, W)`` or ``(H, W, C)`` with C of 1 or 3.
        labels: N names; the default is their place.
        figure: Where to draw.
        theme: Colors.

    Returns:
        The figure.
    """
    images = _images(images, image_shape)
    images = frames.unit_interval(images, _images(reference, image_shape))
    wide = min(8, len(images))
    deep = -(-len(images) // wide)
    figure = figure or _figure(0.45 + 1.62 * deep, theme)
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
        held_out_scores: Nats, ``[N]``.
        sample_scores: Nats, ``[M]``.
        axis: Where to draw.
        theme: Colors.

    Returns:
        The axis.
    """
    title = "Held-out rows should score like the model's own samples"
    axis = _titled(axis, 3.8, title, theme)
    both = np.concatenate([held_out_scores, sample_scores])
    low, high = frames.robust_limits(both, tail=0.01)
    edges = np.linspace(low, high, 61)
    notes = [(f"■ model samples, median {np.median(sample_scores):.2f}", theme.model)]
    notes += [(f"■ held-out data, median {np.median(held_out_scores):.2f}", theme.data)]
    marks.histogram(axis, held_out_scores, edges, theme.data, filled=True)
    marks.histogram(axis, sample_scores, edges, theme.model, filled=False)
    beyond = int(np.sum(held_out_scores < low))
    if beyond:
        text = f"← {beyond} held-out rows further left, to {held_out_scores.min():.4g}"
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


def png(figure: Figure, *, dpi: int = 144) -> bytes:
    """Returns the figure as the bytes of a PNG file.

    Args:
        figure: Any figure.
        dpi: Pixels an inch.
    """
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # A column name in a script the font lacks is drawn as boxes.
        warnings.filterwarnings("ignore", message="Glyph")
        figure.savefig(buffer, format="png", dpi=dpi, facecolor=figure.get_facecolor())
    return buffer.getvalue()


def _figure(height: float, theme: Theme) -> Figure:
    size = WIDTH, height
    return Figure(figsize=size, layout="constrained", facecolor=theme.paper)


def _titled(axis: Axes | None, height: float, title: str, theme: Theme) -> Axes:
    if axis is None:
        axis = _figure(height, theme).subplots()
        heading(axis.figure, title, theme)
    else:
        axis.set_title(title, loc="left", color=theme.ink, fontsize=11.5)
    dress(axis, theme)
    return axis


def _images(rows: np.ndarray, image_shape: Sequence[int]) -> np.ndarray:
    height, width, channels = (*image_shape, 1)[:3]
    if channels not in (1, 3) or rows[0].size != height * width * channels:
        raise ValueError(
            f"Expected rows of H·W·C values with C of 1 or 3, received "
            f"{rows[0].size} values for image_shape={tuple(image_shape)}."
        )
    return rows.reshape(-1, height, width, channels)
