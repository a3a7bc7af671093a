"""What a complete alignment leaves: model, distances before and after, report."""

import contextlib
import dataclasses
import io
import itertools
from typing import NamedTuple

import numpy as np

from tfp_flows import data
from tfp_flows.cli.results.fitted import (
    EXTRAPOLATED,
    HELD_OUT,
    MODEL,
    PREFIX,
    is_extrapolated,
)
from tfp_flows.cli.results.outcome import write_history
from tfp_flows.cli.runs.files import write_json
from tfp_flows.cli.training.alignment import AlignTask
from tfp_flows.cli.training.progress import Progress
from tfp_flows.diagnostics import (
    ClassShares,
    class_shares,
    classifier_two_sample_test,
    column_distances,
    energy_distance,
    p_values,
    plots,
)
from tfp_flows.diagnostics.report import page
from tfp_flows.models import AlignFlow

__all__ = ["write_alignment"]

_MOST_ROWS = 1000


class Direction(NamedTuple):
    """Distances of the held-out rows of one domain from those of another.

    Attributes:
        source: where rows are from.
        target: where they go.
        energy: energy distance in standard deviations: before, after, null.
        accuracy: of a classifier that tells them apart: before, after, null.
        columns: Wasserstein's distance of each column: before, after, null, [3, D].
        extrapolated: share of translated rows that lie outside.
        classes: what becomes of each class; None without labels.
    """

    source: str
    target: str
    energy: tuple[float, float, float]
    accuracy: tuple[float, float, float]
    columns: np.ndarray
    extrapolated: float
    classes: ClassShares | None


def write_alignment(task: AlignTask, model: AlignFlow, progress: Progress) -> None:
    """Writes every file of a complete run to the task's folder, and prints a table.

    Args:
        task: the run.
        model: the best model.
        progress: the end of training.
    """
    folder, test, labels = task.folder, task.part("test"), task.test_labels()
    model.save(folder / MODEL)
    # Keras and TensorFlow print a page of signatures otherwise.
    with contextlib.redirect_stdout(io.StringIO()):
        model.export(str(folder / "saved_model"), verbose=False)
    write_history(folder / "history.csv", progress)
    densities = {
        name: model.log_prob(x.values, name, x.context).numpy()
        for name, x in test.items()
    }
    np.savez_compressed(
        folder / HELD_OUT, **{PREFIX + name: one for name, one in densities.items()}
    )
    rng = np.random.default_rng(task.options.seed)
    directions = [
        _measured(model, test, labels, densities, source, target, rng)
        for source, target in itertools.permutations(test, 2)
    ]
    content = {
        "epochs": progress.epoch,
        "best_epoch": progress.best_epoch,
        "directions": [
            {
                **one._asdict(),
                "columns": one.columns.tolist(),
                "classes": one.classes and one.classes._asdict(),
            }
            for one in directions
        ],
    }
    write_json(folder / "metrics.json", content)
    _write_report(task, model, progress, directions)
    for line in (_HEADER, *map(_cells, directions)):
        print("{:<28}{:>24}{:>24}{:>14}".format(*line))


def _measured(
    model: AlignFlow,
    tables: dict[str, data.Table],
    labels: dict[str, np.ndarray],
    densities: dict[str, np.ndarray],
    source: str,
    target: str,
    rng: np.random.Generator,
) -> Direction:
    """The distances of as many rows of source and target, in deviations of the target.

    The null is that of rows of the target from others of the target. A context counts
    as further columns.
    """
    own, other = tables[source], tables[target]
    moved = model.translate(own.values, source, target, own.context).numpy()
    inside = p_values(
        model.log_prob(moved, target, own.context).numpy(), densities[target]
    )
    moved = dataclasses.replace(own, values=moved)
    x, translated, y = map(_joint, (own, moved, other))
    count = min(len(x), len(y) // 2, _MOST_ROWS)
    some, others = (rng.permutation(len(part)) for part in (x, y))
    scale = np.maximum(y.std(axis=0), 1e-12)
    before, after = (part[some[:count]] / scale for part in (x, translated))
    real = y[others[: 2 * count]] / scale
    first, second = np.split(real, 2)
    energies, accuracies = (
        (test(real, before).statistic, *test(real, after)[:2])
        for test in (energy_distance, classifier_two_sample_test)
    )
    size = own.values.shape[1]
    columns = [
        column_distances(first[:, :size], part[:, :size])
        for part in (before, after, second)
    ]
    return Direction(
        source,
        target,
        energies,
        accuracies,
        np.array(columns),
        float(np.mean(is_extrapolated(inside, len(y)))),
        class_shares(
            *(translated[some] / scale, labels[source][some]),
            *(y[others] / scale, labels[target][others]),
        )
        if labels
        else None,
    )


def _joint(table: data.Table) -> np.ndarray:
    if table.context is None:
        return table.values
    return np.hstack([table.values, table.context])


_HEADER = (
    "before / after / real rows",
    "energy distance",
    "told apart",
    "extrapolated",
)


def _cells(one: Direction) -> tuple[str, ...]:
    return (
        f"{one.source} → {one.target}",
        " / ".join(f"{value:.3f}" for value in one.energy),
        " / ".join(f"{value:.0%}" for value in one.accuracy),
        f"{one.extrapolated:.1%}",
    )


def _write_report(
    task: AlignTask, model: AlignFlow, progress: Progress, directions: list[Direction]
) -> None:
    worst = max(directions, key=lambda one: one.accuracy[1])
    headline = (
        f"A classifier tells translated rows from real ones in {worst.accuracy[1]:.0%} "
        f"of cases ({worst.source} → {worst.target}, the worst direction)"
    )
    lead = (
        f"Before the translation it was {worst.accuracy[0]:.0%}, and {worst.target} is "
        f"told from itself in {worst.accuracy[2]:.0%}. Domains are matched as a whole: "
        "where classes have other shares, rows of one class become rows of another."
    )
    parts = [
        page.section(
            "Distances of held-out rows",
            "Before the translation, after it, and between real rows of the target. "
            "Energy distance in standard deviations; 50% told apart is by chance; rows "
            f"are extrapolated where at most {EXTRAPOLATED:.0%} of the target's are as "
            "unlikely.",
            page.table(_HEADER, map(_cells, directions)),
        )
    ]
    for one in directions:
        parts.append(_column_section(task, one))
        if one.classes is not None:
            parts.append(_class_section(one, one.classes))
        if task.schema.columns[1:]:
            parts.append(_field(task, model, one))
    counts = {name: f"{table.num_rows:,} rows" for name, table in task.tables.items()}
    settings = {
        "matching": task.options.matching,
        "likelihood weight": task.options.likelihood_weight,
        "transport weight": task.options.transport_weight,
        "learning rate": task.options.learning_rate,
        "seed": task.options.seed,
        "training": f"{progress.seconds:.0f} s, {progress.epoch} epochs",
    }
    cards = page.card("Domains", counts), page.card("Settings", settings)
    parts.append(page.columns(*cards))
    title = " ↔ ".join(task.tables)
    html = page.page(title, headline, lead, parts)
    (task.folder / "report.html").write_text(html, encoding="utf-8")


def _column_section(task: AlignTask, one: Direction) -> str:
    rows = [
        [name, *(f"{value:.3f}" for value in one.columns[:, index])]
        for index, name in enumerate(task.schema.columns)
    ]
    return page.section(
        f"{one.source} → {one.target}",
        "Wasserstein's distance of each column, in standard deviations of the target.",
        page.table(["column", "before", "after", "real rows"], rows),
    )


def _class_section(one: Direction, classes: ClassShares) -> str:
    cells = (
        [f"{label:g}", *(f"{share:.0%}" for share in shares)]
        for label, *shares in zip(*classes[:5], strict=True)
    )
    verdict = (
        "Shares differ by more than chance: a translation that matches the domains as "
        "a whole has to turn rows of one class into rows of another. Give --weights "
        "that make the shares equal, or translate class by class."
        if classes.differ
        else "Shares differ by no more than chance."
    )
    return page.section(
        f"Classes, {one.source} → {one.target}",
        "Share of each class in both domains; how many translated rows have a nearest "
        f"row of the target of their own class, and how many real ones. {verdict}",
        page.table(("class", one.source, one.target, "kept", "real rows"), cells),
    )


def _field(task: AlignTask, model: AlignFlow, one: Direction) -> str:
    """The two columns that lie farthest apart before the translation."""
    shown = np.sort(np.argsort(-one.columns[0], kind="stable")[:2])
    tables = task.part("test")
    own, y = tables[one.source], tables[one.target].values
    x = own.values
    translated = model.translate(x, one.source, one.target, own.context).numpy()
    figure = plots.translation_field(
        x[:, shown],
        translated[:, shown],
        y[:, shown],
        [task.schema.columns[index] for index in shown],
        (one.source, one.target),
    )
    image, numbers = plots.png(figure), list(task.tables)
    name = f"{numbers.index(one.source)}-{numbers.index(one.target)}"
    (task.folder / f"translation-{name}.png").write_bytes(image)
    return page.picture(image, f"Rows of {one.source} on their way to {one.target}")
