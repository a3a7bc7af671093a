"""What a complete run leaves: model, likelihoods, history and report."""

import contextlib
import csv
import io
import pathlib
from typing import Any

import numpy as np

from tfp_flows.cli.results.comparison import (
    Yardsticks,
    compare,
    extreme_row,
    format_table,
    joined_rows,
)
from tfp_flows.cli.results.fitted import HELD_OUT, MODEL, SAVED_MODEL, YARDSTICKS
from tfp_flows.cli.results.floor import Floor, linear_floor
from tfp_flows.cli.results.forecasts import Forecasts, forecast
from tfp_flows.cli.results.pages import write_pages
from tfp_flows.cli.results.support import bounds_hint
from tfp_flows.cli.rows import log_density_function
from tfp_flows.cli.runs.files import write_json
from tfp_flows.cli.training.progress import Progress
from tfp_flows.cli.training.task import Task
from tfp_flows.data import Table
from tfp_flows.diagnostics import Result
from tfp_flows.distributions.structure import grid_step
from tfp_flows.models import DensityModel

__all__ = ["write_history", "write_outcome"]


def write_outcome(task: Task, model: DensityModel, progress: Progress) -> None:
    """Writes every file of a complete run to the task's folder, and prints the table.

    Args:
        task: the run.
        model: the best model.
        progress: the end of training.
    """
    folder, test = task.folder, task.test
    model.save(folder / MODEL)
    _export(model, folder / SAVED_MODEL)
    write_history(folder / "history.csv", progress)
    density = log_density_function(model)(test.values, test.context)
    rows = test.equal_rows()
    _write_held_out(folder / HELD_OUT, test.take(rows), density[rows])
    yardsticks, floor, levels, others = _others(task, model)
    np.savez_compressed(folder / YARDSTICKS, **yardsticks.to_arrays())
    densities = {_title(task, model): density, **others}
    results = compare(densities, task.schema, test.weight)
    forecasts = forecast(task, model)
    _write_metrics(task, model, progress, results, floor, forecasts)
    weighted = write_pages(task, model, progress, results, density, levels, forecasts)
    print("\n" + format_table(f"held out ({test.num_rows:,} rows)", results))
    if (line := extreme_row(test, densities)) is not None:
        print(line)
    print(floor.line())
    if weighted is not None:
        print(f"as draws of exp(−U), {weighted}")
    if forecasts is not None:
        print("\n" + forecasts.table())
    if (hint := bounds_hint(task, model)) is not None:
        print(hint)
    if progress.calls:
        print(f"calls of the velocity a row: {progress.calls}")


def _title(task: Task, model: DensityModel) -> str:
    """What the model is called in tables."""
    components = getattr(model, "component_models", ())
    if task.options.boost is None:
        return f"{task.flow} flow"
    return f"{len(components)} boosted {task.flow}"


def _export(model: DensityModel, folder: pathlib.Path) -> None:
    # Keras and TensorFlow print a page of signatures otherwise.
    with contextlib.redirect_stdout(io.StringIO()):
        model.export(str(folder), verbose=False)


def _others(
    task: Task, model: DensityModel
) -> tuple[Yardsticks, Floor, dict[str, float], dict[str, np.ndarray]]:
    """What the model is compared with.

    Returns:
        Yardsticks, floor, the negative log-likelihoods of both on the validation rows
        by name, and the yardsticks' log-densities of the test rows, [N].
    """
    step = grid_step(model.distribution).reshape(-1)
    train, validation, test = (
        joined_rows(part.equally_weighted(), step)
        for part in (task.train, task.validation, task.test)
    )
    yardsticks = Yardsticks.fit(
        train, validation, task.schema, step, seed=task.options.seed
    )
    floor = linear_floor(train, validation, test, task.schema, step)
    scores = yardsticks.log_densities(validation)
    levels = {name: -float(values.mean()) for name, values in scores.items()}
    if floor.validation is not None:
        levels["linear flows"] = -floor.validation
    unweighted = yardsticks.log_densities(joined_rows(task.test, step))
    return yardsticks, floor, levels, unweighted


def write_history(path: pathlib.Path, progress: Progress) -> None:
    """Writes a line for each complete epoch."""
    with path.open("w", newline="") as lines:
        # The start, before the first epoch, has no training loss.
        writer = csv.DictWriter(lines, list(progress.history[-1]))
        writer.writeheader()
        writer.writerows(progress.history)


def _write_held_out(path: pathlib.Path, test: Table, density: np.ndarray) -> None:
    context: dict[str, Any] = {} if test.context is None else {"context": test.context}
    np.savez_compressed(path, log_density=density, **context)


def _write_metrics(
    task: Task,
    model: DensityModel,
    progress: Progress,
    results: tuple[Result, ...],
    floor: Floor,
    forecasts: Forecasts | None,
) -> None:
    validation = {"validation_nats": -progress.best_loss}
    if task.unit != "nats":
        validation = {"validation_energy_score": progress.best_loss}
    content = {
        "flow": task.flow,
        "epochs": progress.epoch,
        "components": len(getattr(model, "component_models", [model])),
        "best_epoch": progress.best_epoch,
        "start": progress.start,
        **validation,
        "rows": task.counts,
        "rows_in_memory": task.table.num_rows,
        "held_out": [result._asdict() for result in results],
        "linear_floor": floor._asdict(),
        **({} if forecasts is None else {"forecasts": forecasts.record()}),
    }
    write_json(task.folder / "metrics.json", content)
