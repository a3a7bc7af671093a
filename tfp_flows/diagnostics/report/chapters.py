"""The chapters of a report: a picture each, and what it shows in one sentence.

This module loads matplotlib through `plots`; `write` loads it when a report is
written.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from tfp_flows.diagnostics import plots
from tfp_flows.diagnostics.calibration import uniformity
from tfp_flows.diagnostics.forecasts import interval_coverage
from tfp_flows.diagnostics.plots.samples import MAX_PAIRED, MAX_RANKED
from tfp_flows.diagnostics.plots.scores import MAX_TABLED
from tfp_flows.diagnostics.plots.theme import shortened
from tfp_flows.diagnostics.report.data import ReportData
from tfp_flows.diagnostics.report.findings import (
    curve_finding,
    rank_finding,
    score_finding,
)

__all__ = ["CHAPTERS", "Chapter"]

WORST_ROWS, WORST_IMAGES = 12, 24


@dataclasses.dataclass(frozen=True)
class Chapter:
    """One picture and what to say about it.

    Attributes:
        name: of the file, without its ending.
        heading: a few words.
        show: report → what the numbers say, in a sentence or two, and the picture: an
            axis or a figure.
        has_data: report → whether it has what is shown.
    """

    name: str
    heading: str
    show: Callable[[ReportData], tuple[str, Any]]
    has_data: Callable[[ReportData], bool] = lambda report: True

    def draw(self, report: ReportData) -> tuple[str, bytes]:
        """Returns what the numbers say, and the picture as a PNG file."""
        finding, drawn = self.show(report)
        return finding, plots.png(getattr(drawn, "figure", drawn))


def _learning_curve(report: ReportData) -> tuple[str, Any]:
    axis = plots.learning_curve(
        report.history,
        best_epoch=report.best_epoch,
        first_epoch=report.first_epoch,
        yardsticks=report.levels,
        unit=report.unit,
    )
    text = curve_finding(report)
    if report.levels:
        text += " The dashed lines are the yardsticks on the validation rows."
    return text, axis


def _pairs(report: ReportData) -> tuple[str, Any]:
    shown = _telling_columns(report)
    names = [report.columns[index] for index in shown]
    text = "The frames hold 99% of the data, so that rare values do not squash them."
    if len(shown) < len(report.columns):
        text = f"{len(shown)} of {len(report.columns)} columns are drawn: "
        text += "the first ones." if report.ranks is None else "the worst fitted ones."
    data, samples = report.held_out[:, shown], report.samples[:, shown]
    return text, plots.pair_plot(data, samples, names)


def _telling_columns(report: ReportData) -> np.ndarray:
    """Chooses the columns whose ranks deviate most, in their own order."""
    order = np.arange(len(report.columns))
    if report.ranks is not None:
        order = np.argsort(-uniformity(report.ranks).deviation, kind="stable")
    return np.sort(order[:MAX_PAIRED])


def _images(report: ReportData) -> tuple[str, Any]:
    shape = report.image_shape or ()
    return "Both blocks share one range of brightness.", plots.image_grid(
        report.held_out, report.samples, shape
    )


def _particles(report: ReportData) -> tuple[str, Any]:
    text = "Distances of all pairs of particles."
    if report.energies is not None:
        means = " and ".join(f"{np.mean(u):.2f}" for u in report.energies)
        text = f"Mean energies of held-out rows and samples: {means} kT."
    shares = None if report.weighted is None else report.weighted.shares
    return text, plots.distances_and_energies(
        *_positions(report), report.energies, shares=shares
    )


def _weights(report: ReportData) -> tuple[str, Any]:
    weighted: Any = report.weighted
    return f"{weighted}.", plots.weight_plot(weighted)


def _configurations(report: ReportData) -> tuple[str, Any]:
    text = "Each along its directions of largest spread."
    return text, plots.configurations(*_positions(report))


def _positions(report: ReportData) -> tuple[np.ndarray, np.ndarray]:
    shape = (-1, *(report.particle_shape or ()))
    return report.held_out.reshape(shape), report.samples.reshape(shape)


def _scores(report: ReportData) -> tuple[str, Any]:
    scores = report.held_out_scores, report.sample_scores
    return score_finding(report), plots.score_distribution(*scores)


def _ranks(report: ReportData) -> tuple[str, Any]:
    text = rank_finding(report)
    if len(report.columns) > MAX_RANKED:
        text += f" The {MAX_RANKED} worst columns are drawn."
    return text, plots.rank_histograms(
        np.asarray(report.ranks), report.columns, shared_samples=report.shared_samples
    )


def _forecasts(report: ReportData) -> tuple[str, Any]:
    data, draws = report.forecast or (np.zeros([0]), np.zeros([0]))
    held = interval_coverage(data, draws, 0.9)
    pairs = zip(report.columns, held.share, held.error, strict=True)
    shares = [f"{name} {share:.1%} ± {error:.1%}" for name, share, error in pairs]
    text = f"The 90% intervals hold the truth for {', '.join(shares[:4])} of the rows."
    return text, plots.forecast_intervals(data, draws, report.columns)


def _worst_rows(report: ReportData) -> tuple[str, Any]:
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
    scores, labels = report.held_out_scores[worst], _labels(report, worst)
    return text, plots.worst_rows(rows[worst], scores, rows, columns, labels=labels)


def _worst_images(report: ReportData) -> tuple[str, Any]:
    worst, shape = _worst(report, WORST_IMAGES), report.image_shape or ()
    images, scores = report.held_out, report.held_out_scores[worst]
    return _worst_finding(report), plots.worst_images(
        images[worst], scores, images, shape, labels=_labels(report, worst)
    )


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


def _has_images(report: ReportData) -> bool:
    return report.image_shape is not None


def _has_columns(report: ReportData) -> bool:
    return report.image_shape is None and report.particle_shape is None


def _has_particles(report: ReportData) -> bool:
    return report.particle_shape is not None


def _has_weights(report: ReportData) -> bool:
    return report.weighted is not None


def _has_ranks(report: ReportData) -> bool:
    return report.ranks is not None


CHAPTERS = (
    Chapter("learning_curve", "Learning curve", _learning_curve),
    Chapter("samples", "Data against samples", _pairs, _has_columns),
    Chapter("samples", "Data against samples", _images, _has_images),
    Chapter("samples", "Distances and energies", _particles, _has_particles),
    Chapter("configurations", "Configurations", _configurations, _has_particles),
    Chapter("weights", "Weights for the energy", _weights, _has_weights),
    Chapter("scores", "Log-densities", _scores),
    Chapter("ranks", "Ranks", _ranks, _has_ranks),
    Chapter("forecasts", "Forecasts", _forecasts, lambda r: r.forecast is not None),
    Chapter("worst_rows", "Worst fitted rows", _worst_rows, _has_columns),
    Chapter("worst_rows", "Worst fitted images", _worst_images, _has_images),
)
"""In the order of the page."""
