"""The numbers behind the pictures: robust limits, scores and mosaics, in numpy."""

from collections.abc import Mapping, Sequence

import numpy as np

__all__ = [
    "curve_limits",
    "histogram_edges",
    "mosaic",
    "robust_limits",
    "robust_scores",
    "thinned",
    "unit_interval",
]


def robust_limits(
    values: np.ndarray, *, tail: float = 0.005, margin: float = 0.08
) -> tuple[float, float]:
    """Returns limits that hold all but `tail` of the finite values on each side.

    Args:
        values: any shape.
        tail: share of the values that may lie beyond each limit.
        margin: added on both sides, as a share of the width.

    Returns:
        Lower and upper limit, never equal.
    """
    finite = values[np.isfinite(values)]
    if not len(finite):
        return 0.0, 1.0
    low, high = np.quantile(finite, (tail, 1 - tail))
    width = float(high - low) or max(abs(float(low)), 1.0)
    return float(low - margin * width), float(high + margin * width)


def curve_limits(
    curves: Mapping[str, np.ndarray], levels: Sequence[float]
) -> tuple[float, float]:
    """Returns limits that show the later part of a curve and the levels near it.

    The later part is all but the first tenth of the epochs, at least one, and but
    the highest twentieth of the values. Its height five times over is shown if the
    rest reaches so far; levels up to three times that away are shown too.

    Args:
        curves: values by epoch, by name.
        levels: of horizontal lines.

    Returns:
        Lower and upper limit, never equal.
    """
    late = [values[max(1, len(values) // 10) :] for values in curves.values()]
    later, shown, lines = _finite(*late), _finite(*curves.values()), _finite(levels)
    if not len(shown):
        shown = lines if len(lines) else np.array([0.0, 1.0])
    later = later if len(later) else shown
    low = later.min()
    height = (np.quantile(later, 0.95) - low) or 1.0
    high = max(low + 0.5 * height, min(shown.max(), low + 5 * height))
    height = high - low
    near = lines[(lines < high + 3 * height) & (lines > low - 3 * height)]
    low, high = min([low, *near]), max([high, *near])
    return float(low - 0.08 * (high - low)), float(high + 0.08 * (high - low))


def histogram_edges(
    values: np.ndarray, limits: tuple[float, float], bins: int
) -> np.ndarray:
    """Returns equal bins over the limits; of values on a grid each holds as many.

    Args:
        values: [N].
        limits: lower and upper end.
        bins: their number unless there are fewer levels.

    Returns:
        Ends of the bins, ascending.
    """
    levels = np.unique(values[(values >= limits[0]) & (values <= limits[1])])
    step = _grid_step(levels)
    if step is None or (levels[-1] - levels[0]) / step > len(values):
        return np.linspace(*limits, bins + 1)
    count = round((levels[-1] - levels[0]) / step) + 1
    width = 1 if count <= 2 * bins else -(-count // bins)
    start = levels[0] - step / 2
    return start + width * step * np.arange(-(-count // width) + 1)


def robust_scores(rows: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Returns (x − median) / s, s half the central 68% of the reference.

    Where that is zero the standard deviation takes its place, then one.

    Args:
        rows: [N, D].
        reference: [M, D].

    Returns:
        [N, D], like z-scores, but not widened by outliers.
    """
    low, median, high = np.quantile(reference, (0.16, 0.5, 0.84), axis=0)
    spread = (high - low) / 2
    spread = np.where(spread > 0, spread, reference.std(axis=0))
    return (rows - median) / np.where(spread > 0, spread, 1.0)


def thinned(rows: np.ndarray, limit: int) -> np.ndarray:
    """Returns at most `limit` rows at equal distances."""
    if len(rows) <= limit:
        return rows
    return rows[np.linspace(0, len(rows) - 1, limit).round().astype(int)]


def unit_interval(images: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Maps pixels to [0, 1] by the robust range of the reference, with clipping."""
    low, high = robust_limits(reference, tail=0.001, margin=0.0)
    return np.clip((images - low) / (high - low), 0.0, 1.0)


def mosaic(
    images: np.ndarray, columns: int, gap_color: tuple[float, float, float]
) -> np.ndarray:
    """Lays images out in rows with gaps between them.

    Args:
        images: [N, H, W, C] in [0, 1], with C of 1 or 3.
        columns: images in a row.
        gap_color: red, green and blue in [0, 1], also of missing images.

    Returns:
        [height, width, 3], one picture.
    """
    count, height, width, _ = images.shape
    gap = max(1, height // 12)
    rows = -(-count // columns)
    shape = rows * (height + gap) - gap, columns * (width + gap) - gap, 3
    picture = np.broadcast_to(gap_color, shape).copy()
    for index, image in enumerate(images):
        top = index // columns * (height + gap)
        left = index % columns * (width + gap)
        picture[top : top + height, left : left + width] = image
    return picture


def _grid_step(levels: np.ndarray) -> float | None:
    """The step of the grid that ascending levels lie on, if they do."""
    gaps = np.diff(levels)
    if not len(gaps):
        return None
    step = gaps.min()
    on_grid = np.abs(gaps / step - np.rint(gaps / step)) < 1e-3
    return float(step) if on_grid.all() else None


def _finite(*parts: np.ndarray | Sequence[float]) -> np.ndarray:
    values = np.concatenate([*parts, np.zeros(0)])
    return values[np.isfinite(values)]
