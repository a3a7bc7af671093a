"""The report of one fitted density: five pictures and one page to look at."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tfp_flows.diagnostics import comparison, page
from tfp_flows.diagnostics.comparison import Result
from tfp_flows.diagnostics.theme import DARK, LIGHT

__all__ = ["ReportData", "write_report"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReportData:
    """Everything a report shows, as numbers.

    Attributes:
        title: One line: which density of which data.
        description: Lines about the data, in words.
        results: Of `compare_scores`, the model first; plain tuples ``(name, nats,
            standard_error, bits_per_dim)`` do as well.
        history: ``loss`` and ``val_loss``, nats per row in the data's units by epoch.
        columns: D names.
        held_out: Rows the model was not trained on, ``[N, D]``.
        held_out_scores: Their log-densities in nats, ``[N]``.
        samples: Rows drawn from the model, ``[M, D]``; given context, one or more
            for each held-out row's.
        sample_scores: Their log-densities in nats, ``[M]``.
        best_epoch: The epoch whose weights were kept, counted from 1.
        ranks: Of `column_ranks` or `conditional_ranks` for some held-out rows.
        shared_samples: How many samples `column_ranks` used, else None.
        row_numbers: Of the held-out rows in the user's file, ``[N]``.
        context: What the held-out rows were conditioned on, ``[N, C]``.
        context_columns: C names.
        image_shape: ``(H, W)`` or ``(H, W, C)`` if rows are images.
        settings: Names and values worth keeping.
        elapsed: Seconds by name of the step.
        floor: Negative log-likelihood of the held-out rows at the optimum of linear
            flows, nats a row: a level of the learning curve.
    """

    title: str
    description: Sequence[str]
    results: Sequence[Result | tuple]
    history: Mapping[str, Sequence[float]]
    columns: Sequence[str]
    held_out: np.ndarray
    held_out_scores: np.ndarray
    samples: np.ndarray
    sample_scores: np.ndarray
    best_epoch: int | None = None
    ranks: np.ndarray | None = None
    shared_samples: int | None = None
    row_numbers: np.ndarray | None = None
    context: np.ndarray | None = None
    context_columns: Sequence[str] = ()
    image_shape: Sequence[int] | None = None
    settings: Mapping[str, object] = dataclasses.field(default_factory=dict)
    elapsed: Mapping[str, float] = dataclasses.field(default_factory=dict)
    floor: float | None = None

    def __post_init__(self) -> None:
        rows, width = len(self.held_out), len(self.columns)
        contexts = len(self.context_columns)
        expected = {
            "held_out": (rows, width),
            "held_out_scores": (rows,),
            "samples": (len(self.samples), width),
            "sample_scores": (len(self.samples),),
            "ranks": (None if self.ranks is None else len(self.ranks), width),
            "row_numbers": (rows,),
            "context": (rows, contexts),
        }
        for name, shape in expected.items():
            value = getattr(self, name)
            if value is not None and np.shape(value) != shape:
                raise ValueError(
                    f"Expected {name} of shape {shape}, received {np.shape(value)}. "
                    f"There are {width} columns; images are flattened to rows."
                )
        if rows == 0 or len(self.samples) == 0 or not self.results:
            raise ValueError(
                "Expected held-out rows, samples and results, received "
                f"{rows}, {len(self.samples)} and {len(self.results)}."
            )


def write_report(directory: str | Path, report: ReportData) -> list[Path]:
    """Writes ``report.html`` and its pictures as PNG files.

    The page needs no other file and no network, suits light and dark screens and
    prints in light colors.

    Args:
        directory: Made if missing; files of the same names are overwritten.
        report: What to show.

    Returns:
        The files written: ``report.html``, ``learning_curve.png``, ``samples.png``,
        ``scores.png``, ``ranks.png`` if there are ranks, ``worst_rows.png``.

    Raises:
        ImportError: matplotlib is not installed.
    """
    # Here and not above, so that importing this package does not load matplotlib.
    from tfp_flows.diagnostics.chapters import chapters

    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    results = [Result(*row) for row in report.results]
    parts, written = [_overview(report, results)], []
    for chapter in chapters(report, results):
        light, dark = chapter.draw(LIGHT), chapter.draw(DARK)
        written.append(directory / f"{chapter.name}.png")
        written[-1].write_bytes(light)
        image = page.picture(light, dark, f"{chapter.heading}. {chapter.finding}")
        parts.append(page.section(chapter.heading, chapter.finding, image))
    parts.append(_circumstances(report))
    html = page.page(
        report.title,
        comparison.headline(results),
        comparison.explanation(results),
        parts,
        "Orange is data, blue is the model. Nats are natural logarithms of the "
        "density in the data's own units, per row; more is better.",
    )
    (directory / "report.html").write_text(html, encoding="utf-8")
    return [directory / "report.html", *written]


def _overview(report: ReportData, results: Sequence[Result]) -> str:
    text = "Mean log-density of held-out rows; more is better."
    if len(results) > 1:
        text += " The model's lead is measured row by row."
    table = page.section("Result", text, _results_table(results))
    return page.columns(table, page.card("Data", report.description))


def _results_table(results: Sequence[Result]) -> str:
    bits = any(row.bits_per_dim is not None for row in results)
    header = ["density", "nats per row", *(["bits per dimension"] if bits else [])]
    rows: list[list[str]] = []
    for row in results:
        ahead = comparison.advantage(results[0], row) if rows else None
        cells = [row.name, _measured(row.nats, row.standard_error)]
        if bits:
            cells.append("" if row.bits_per_dim is None else f"{row.bits_per_dim:.3f}")
        rows.append([*cells, "" if ahead is None else _measured(*ahead, sign="+")])
    return page.table([*header, "model's lead"], rows)


def _measured(value: float, error: float, sign: str = "") -> str:
    return f"{value:{sign}.3f} ± {error:.3f}".replace("-", "−")


def _circumstances(report: ReportData) -> str:
    elapsed = {name: _duration(value) for name, value in report.elapsed.items()}
    cards = [("Settings", report.settings), ("Time", elapsed)]
    return page.columns(*(page.card(*content) for content in cards if content[1]))


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
