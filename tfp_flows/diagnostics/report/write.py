"""The report of one fitted density: five pictures and one page to look at."""

from collections.abc import Sequence
from pathlib import Path

from tfp_flows.diagnostics import comparison
from tfp_flows.diagnostics.comparison import Result
from tfp_flows.diagnostics.fidelity import compare_samples
from tfp_flows.diagnostics.report import page
from tfp_flows.diagnostics.report.data import ReportData
from tfp_flows.diagnostics.report.findings import curve_finding, fidelity_finding

__all__ = ["write_report"]


def write_report(directory: str | Path, report: ReportData) -> list[Path]:
    """Writes `report.html` and its pictures as PNG files.

    The page needs no other file and no network, suits light and dark screens and
    prints in light colors.

    Args:
        directory: made if missing; files of the same names are overwritten.
        report: what to show.

    Returns:
        The files written: `report.html`, `learning_curve.png`, `samples.png`,
        `scores.png`, `ranks.png` if there are ranks, `worst_rows.png`.

    Raises:
        ImportError: matplotlib is not installed.
    """
    # Here and not above, so that importing this package does not load matplotlib.
    from tfp_flows.diagnostics.report.chapters import CHAPTERS

    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    results = [Result(*row) for row in report.results]
    parts, written = [_overview(report, results)], []
    for chapter in CHAPTERS:
        if chapter.has_data(report):
            finding, image = chapter.draw(report)
            written.append(directory / f"{chapter.name}.png")
            written[-1].write_bytes(image)
            shown = page.picture(image, f"{chapter.heading}. {finding}")
            parts.append(page.section(chapter.heading, finding, shown))
    if report.particle_shape is None:
        parts.append(_fidelity(report))
    parts.append(_circumstances(report))
    html = page.page(
        report.title,
        comparison.headline(results),
        comparison.explanation(results, curve_finding(report)),
        parts,
    )
    (directory / "report.html").write_text(html, encoding="utf-8")
    return [directory / "report.html", *written]


def _overview(report: ReportData, results: Sequence[Result]) -> str:
    text = "Mean log-density of held-out rows; more is better."
    if len(results) > 1:
        text += " The model's lead is measured row by row."
    table = page.section("Result", text, _results_table(results))
    return page.columns(table, page.card("Data", report.description))


_QUESTIONS = {
    "rows": "a row's nearest neighbor is of its own kind",
    "columns": "largest deviation of a column's distribution",
    "correlations": "largest difference of two columns' rank correlation",
    "copies": "nearer to a training row than 95% of new rows are",
}


def _fidelity(report: ReportData) -> str:
    """Samples beside real rows; particles have no columns to compare."""
    found = compare_samples(report.held_out, report.samples, report.training)
    rows = [
        [_QUESTIONS[name], f"{test.statistic:.3f}", _measured(test.null, test.error)]
        for name, test in found.items()
    ]
    table = page.table(["", "samples", "real rows give"], rows)
    return page.section("Samples beside real rows", fidelity_finding(found), table)


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
