"""What the report page shows of a run: rows drawn, ranked and scored."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import tfp_flows
from tfp_flows import diagnostics
from tfp_flows.cli.flows import NORMAL_BASED
from tfp_flows.cli.results.forecasts import Forecasts
from tfp_flows.cli.rows import draw_rows, log_density_function
from tfp_flows.cli.training.choice import Start
from tfp_flows.cli.training.progress import Progress
from tfp_flows.cli.training.start import count_weights
from tfp_flows.cli.training.task import Task
from tfp_flows.data import PARTICLE_SETS, Table
from tfp_flows.energies import PARTICLE_SYSTEMS
from tfp_flows.estimation.importance import WeightedDraws
from tfp_flows.models import DensityModel

__all__ = ["write_pages"]

# Enough for pictures: more rows would cost time and change no pixel.
_MOST_HELD_OUT = 20_000
_TABLE_SAMPLES, _IMAGE_SAMPLES = 10_000, 1_000
# Of wide tables fewer rows are drawn and scored: not more numbers than these, but
# enough rows for the quantile of 1 %.
_TABLE_NUMBERS, _LEAST_SAMPLES = 2_000_000, 1_000
# Samples of particles whose energy is known get weights, whose tail shows late; but a
# sample costs as many numbers as there are pairs.
_PAIRS = 200_000

# Draws for each of some held-out rows, where each row has its own context.
_RANKED_ROWS, _DRAWS_PER_ROW = 500, 50


def write_pages(
    task: Task,
    model: DensityModel,
    progress: Progress,
    results: tuple[diagnostics.Result, ...],
    log_density: np.ndarray,
    levels: dict[str, float],
    forecasts: Forecasts | None = None,
) -> WeightedDraws | None:
    """Writes `report.html` and its pictures to the task's folder.

    Returns the samples with weights, where their energy is known.

    Args:
        task: the run.
        model: the best model.
        progress: the end of training.
        results: likelihoods of the held-out rows, the model's first.
        log_density: [N], of the held-out rows.
        levels: negative log-likelihoods of yardsticks on the validation rows.
        forecasts: draws for held-out rows, where targets were named.
    """
    shown = task.test.equal_rows()[:_MOST_HELD_OUT]
    test = task.test.take(shown)
    samples, given = _draws(task, model, test, _sample_count(test))
    ranks, shared = None, None
    if test.particle_shape is None:
        ranks, shared = _ranks(task, model, test, samples)
    report = diagnostics.ReportData(
        title=f"{task.flow} on {task.table.name}",
        description=task.description.text().splitlines(),
        results=results,
        history={
            name: [record.get(name, math.nan) for record in progress.history]
            for name in ("loss", "val_loss")
        },
        # Each component of a mixture has a best epoch of its own.
        best_epoch=progress.best_epoch if task.options.boost is None else None,
        first_epoch=int(progress.history[0]["epoch"]),
        **_held_out(test),
        held_out_scores=log_density[shown],
        samples=samples,
        sample_scores=log_density_function(model)(samples, given),
        ranks=ranks,
        shared_samples=shared,
        energies=_energies(test, samples),
        settings=_settings(task, model, progress),
        # Yardsticks have a likelihood and no other loss.
        levels=levels if task.unit == "nats" else {},
        unit=task.unit,
        training=task.train.values,
        forecast=None
        if forecasts is None
        else (task.test.values[forecasts.rows], forecasts.draws),
        elapsed={"training": progress.seconds},
    )
    diagnostics.write_report(task.folder, report)
    return report.weighted


def _held_out(test: Table) -> dict[str, Any]:
    """The rows that are shown, and what they are."""
    return {
        "columns": test.columns,
        "held_out": test.values,
        "row_numbers": test.row_numbers,
        "context": test.context,
        "context_columns": test.context_columns,
        "image_shape": test.image_shape,
        "particle_shape": test.particle_shape,
    }


def _settings(task: Task, model: DensityModel, progress: Progress) -> dict[str, Any]:
    options = task.options
    counts = " / ".join(f"{count:,}" for count in task.counts.values())
    calls = progress.calls and {"calls of the velocity a row": progress.calls}
    return {
        "flow": task.flow,
        "objective": options.objective,
        "base": _base(task, progress),
        "weights": f"{count_weights(model):,}",
        "batch size": task.batch_size,
        "learning rate": options.learning_rate,
        "patience": options.patience,
        "seed": options.seed,
        "split": f"{options.split}, rows {counts}",
        "tfp_flows": tfp_flows.__version__,
        **(calls or {}),
    }


def _sample_count(test: Table) -> int:
    if test.image_shape is not None:
        return _IMAGE_SAMPLES
    bounded = max(_TABLE_NUMBERS // len(test.columns), _LEAST_SAMPLES)
    if test.particle_shape is not None:
        known = _energy(test) is not None
        bounded = _PAIRS // test.particle_shape[0] ** 2 if known else _IMAGE_SAMPLES
    return min(bounded, _TABLE_SAMPLES)


def _energy(test: Table) -> Callable[[Any], Any] | None:
    """Of a built-in set of particles, which is drawn from it."""
    if test.name not in PARTICLE_SETS or test.particle_shape is None:
        return None
    return PARTICLE_SYSTEMS[test.name].energy


def _energies(test: Table, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Of held-out rows and samples of a set whose energy is known."""
    energy = _energy(test)
    if energy is None:
        return None
    return tuple(
        energy(x.reshape(-1, *(test.particle_shape or ())).astype("float64")).numpy()
        for x in (test.values, samples)
    )


def _base(task: Task, progress: Progress) -> str:
    start = Start(**progress.start)
    if start.base != "given":
        return str(start)
    own = "gaussian" if task.flow in NORMAL_BASED else "mixture"
    return task.options.base or own


def _draws(
    task: Task, model: DensityModel, rows: Table, count: int
) -> tuple[np.ndarray, np.ndarray | None]:
    """Returns drawn values, [count, D], and the rows' context, which takes turns."""
    blocks = draw_rows(
        model, rows.schema, count, seed=task.options.seed, context=rows.context
    )
    values, contexts = zip(*blocks, strict=True)
    given = None if rows.context is None else np.concatenate(contexts)
    return np.concatenate(values), given


def _ranks(
    task: Task, model: DensityModel, test: Table, samples: np.ndarray
) -> tuple[np.ndarray, int | None]:
    """Returns ranks of held-out rows, and how many samples they share."""
    if test.context is None:
        return diagnostics.column_ranks(test.values, samples), len(samples)
    some = test.take(np.arange(min(test.num_rows, _RANKED_ROWS)))
    draws, _ = _draws(task, model, some, some.num_rows * _DRAWS_PER_ROW)
    draws = draws.reshape(_DRAWS_PER_ROW, *some.values.shape)
    return diagnostics.conditional_ranks(some.values, draws), None
