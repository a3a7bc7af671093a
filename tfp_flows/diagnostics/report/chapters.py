"""The chapters of a report: a picture each, and what it shows in one sentence.

This module loads matplotlib through `plots`; `write` loads it when a report is
written.
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from tfp_flows.diagnostics import plots
from tfp_flows.diagnostics.calibration import uniformity
from tfp_flows.diagnostics.comparison import Result
from tfp_flows.diagnostics.plots.samples import MAX_PAIRED, MAX_RANKED
from tfp_flows.diagnostics.plots.scores import MAX_TABLED
from tfp_flows.diagnostics.plots.theme import Theme, shortened
from tfp_flows.diagnostics.report.data import ReportData

__all__ = ["Chapter", "chapters"]

WORST_ROWS, WORST_IMAGES = 12, 24


@dataclasses.dataclass(frozen=True)
class Chapter:
    """One picture and what to say about it.

    Attributes:
        name: Of the file, without its ending.
        heading: A few words.
        finding: What the numbers say, in a sentence or two.
        plot: Draws, given a theme.
    """

    name: str
    heading: str
    finding: str
    plot: Callable[[Theme], Any]

    def draw(self, theme: Theme) -> bytes:
        """Returns the picture as the bytes of a PNG file."""
        drawn = self.plot(theme)
        return plots.png(getattr(drawn, "figure", drawn))


def chapters(report: ReportData, results: Sequence[Result]) -> Iterator[Chapter]:
    """Yields what the report has data for, in the order of the page."""
    yield _learning_curve(report, results)
    yield _pairs(report) if report.image_shape is None else _images(report)
    yield _scores(report)
    if report.ranks is not None:
        yield _ranks(report)
    worst = _worst_rows if report.image_shape is None else _worst_images
    yield worst(report)


def _learning_curve(report: ReportData, results: Sequence[Result]) -> Chapter:
    levels = {other.name: -other.nats for other in results[1:]}
    if report.floor is not None:
        levels["linear flows"] = report.floor

    def plot(theme: Theme) -> Any:
        return plots.learning_curve(
            report.history, best_epoch=report.best_epoch, yardsticks=levels, theme=theme
        )

    finding = _learning_finding(report)
    return Chapter("learning_curve", "Learning curve", finding, plot)


def _learning_finding(report: ReportData) -> str:
    curve = report.history.get("val_loss") or report.history.get("loss") or ()
    best = report.best_epoch
    if best is None or not 1 <= best <= len(curve):
        return "The dashed lines are the yardsticks on held-out rows."
    text = f"The weights of epoch {best} of {len(curve)} were kept. "
    if best == len(curve):
        return text + "The last epoch was the best: more epochs may help."
    rise = curve[-1] - curve[best - 1]
    return text + f"Validation ended {rise:.2f} nats above its best."


def _pairs(report: ReportData) -> Chapter:
    shown = _telling_columns(report)
    names = [report.columns[index] for index in shown]
    data, samples = report.held_out[:, shown], report.samples[:, shown]
    text = "The frames hold 99% of the data, so that rare values do not squash them."
    if len(shown) < len(report.columns):
        text = f"{len(shown)} of {len(report.columns)} columns are drawn: "
        text += "the first ones." if report.ranks is None else "the worst fitted ones."

    def plot(theme: Theme) -> Any:
        return plots.pair_plot(data, samples, names, theme=theme)

    return Chapter("samples", "Data against samples", text, plot)


def _telling_columns(report: ReportData) -> np.ndarray:
    """Chooses the columns whose ranks deviate most, in their own order."""
    order = np.arange(len(report.columns))
    if report.ranks is not None:
        order = np.argsort(-uniformity(report.ranks).deviation, kind="stable")
    return np.sort(order[:MAX_PAIRED])


def _images(report: ReportData) -> Chapter:
    def plot(theme: Theme) -> Any:
        shape = report.image_shape or ()
        return plots.image_grid(report.held_out, report.samples, shape, theme=theme)

    text = "Both blocks share one range of brightness."
    return Chapter("samples", "Data against samples", text, plot)


def _scores(report: ReportData) -> Chapter:
    lowest = np.quantile(report.sample_scores, 0.01)
    share = np.mean(report.held_out_scores < lowest)
    text = (
        f"{share:.1%} of the held-out rows score lower than all but 1% of the model's "
        "own samples; 1% would be right. More means rows the model finds surprising, "
        "and held-out rows far to the right mean that it spreads too wide."
    )

    def plot(theme: Theme) -> Any:
        scores = report.held_out_scores, report.sample_scores
        return plots.score_distribution(*scores, theme=theme)

    return Chapter("scores", "Log-densities", text, plot)


def _ranks(report: ReportData) -> Chapter:
    ranks, shared = np.asarray(report.ranks), report.shared_samples
    summary = uniformity(ranks, shared_samples=shared)
    worst, count = int(np.argmax(summary.deviation)), len(report.columns)
    text = (
        f"Outside the 95% band of the deviation ({summary.deviation_band:.3f}): "
        f"{int(summary.outside.sum())} of {count} columns; chance alone gives about "
        f"{0.05 * count:.1f}. Largest: {report.columns[worst]}, "
        f"{summary.deviation[worst]:.3f}. The deviation is printed beside each name. "
        "A hill means samples that spread too wide, "
        "a valley too narrow, a slope shifted."
    )
    if count > MAX_RANKED:
        text += f" The {MAX_RANKED} worst columns are drawn."

    def plot(theme: Theme) -> Any:
        columns = report.columns
        return plots.rank_histograms(ranks, columns, shared_samples=shared, theme=theme)

    return Chapter("ranks", "Ranks", text, plot)


def _worst_rows(report: ReportData) -> Chapter:
    worst = _worst(report, WORST_ROWS)
    rows, columns = report.held_out, [*report.columns]
    if report.context is not None:
        rows = np.concatenate([rows, report.context], axis=-1)
        columns += [f"| {name}" for name in report.context_columns]
    text = (
        f"{_worst_finding(report)} A pale row is an unusual combination of values that "
        "are usual one by one. Colors count half-widths of the central 68% from the "
        "median, up to six."
    )
    if len(columns) > MAX_TABLED:
        shown = MAX_TABLED
        text += f" The {shown} columns with the strongest colors are shown."

    def plot(theme: Theme) -> Any:
        return plots.worst_rows(
            rows[worst],
            report.held_out_scores[worst],
            rows,
            columns,
            labels=_labels(report, worst),
            theme=theme,
        )

    return Chapter("worst_rows", "Worst fitted rows", text, plot)


def _worst_images(report: ReportData) -> Chapter:
    worst = _worst(report, WORST_IMAGES)

    def plot(theme: Theme) -> Any:
        return plots.worst_images(
            report.held_out[worst],
            report.held_out_scores[worst],
            report.held_out,
            report.image_shape or (),
            labels=_labels(report, worst),
            theme=theme,
        )

    return Chapter("worst_rows", "Worst fitted images", _worst_finding(report), plot)


def _worst(report: ReportData, count: int) -> np.ndarray:
    return np.argsort(report.held_out_scores, kind="stable")[:count]


def _worst_finding(report: ReportData) -> str:
    scores = report.held_out_scores
    gap = np.median(scores) - scores.min()
    return f"The worst row lies {gap:.1f} nats below the median."


def _labels(report: ReportData, rows: np.ndarray) -> list[str]:
    numbers = rows if report.row_numbers is None else report.row_numbers[rows]
    labels = [f"row {number}" for number in numbers]
    if report.image_shape is None or len(report.context_columns) != 1:
        return labels
    name, values = report.context_columns[0], np.asarray(report.context)[rows, 0]
    pairs = zip(labels, values, strict=True)
    return [shortened(f"{name} {value:g}, {label}", 18) for label, value in pairs]
