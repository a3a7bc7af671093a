"""Training a mixture of flows, resumable after each of them."""

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
from tensorflow_probability import distributions as tfd

from tfp_flows.cli.rows import event_arrays
from tfp_flows.cli.training.checkpoint import Checkpoint
from tfp_flows.cli.training.choice import Start, Starts
from tfp_flows.cli.training.optimizer import new_optimizer
from tfp_flows.cli.training.progress import Progress
from tfp_flows.cli.training.start import start
from tfp_flows.cli.training.task import Task
from tfp_flows.data import Table
from tfp_flows.models import BoostedFlow, FlowModel

__all__ = ["train_mixture"]


def train_mixture(task: Task) -> tuple[BoostedFlow, Progress]:
    """Trains, or goes on training, a mixture of flows.

    Raises:
        RunError: a loss is no longer a number.
    """
    model, progress = start(task, _new_model)
    # A model file names no code: what builds a component is given again.
    model.component = _component(task, progress)
    if model.num_trained < model.most_components:
        _fit(task, model, progress)
    return model, progress


def _new_model(task: Task, progress: Progress) -> BoostedFlow:
    progress.start = dataclasses.asdict(Starts(task).choose())
    model = BoostedFlow(
        _component(task, progress),
        task.options.boost or 1,
        patience=task.options.patience,
        name=f"boosted_{task.flow.replace('-', '_')}",
    )
    model.compile(new_optimizer(task))
    return model


def _component(task: Task, progress: Progress) -> Callable[[int], tfd.Distribution]:
    starts, chosen = Starts(task), Start(**progress.start)

    def build(index: int) -> tfd.Distribution:
        seed = task.options.seed + index
        # The stage draws the same batches whether or not the run was interrupted.
        keras.utils.set_random_seed(seed)
        distribution = starts.distribution(chosen, 1_000_000 * index + seed)
        if task.train.weight is not None:
            # What is set already is not set from the rows without their weights.
            model, rows = FlowModel(distribution), task.train.equally_weighted()
            model.adapt(*event_arrays(model, rows.values, rows.context), anew=False)
        return distribution

    return build


def _fit(task: Task, model: BoostedFlow, progress: Progress) -> None:
    def rows(part: Table) -> Any:
        x, context = event_arrays(model, part.values, part.context)
        return x if context is None else (x, context)

    options = task.options
    weight = task.validation.relative_weight
    model.fit(
        rows(task.train),
        sample_weight=task.train.relative_weight,
        batch_size=task.batch_size,
        epochs=options.epochs,
        validation_data=(
            rows(task.validation),
            *(() if weight is None else (None, weight)),
        ),
        callbacks=[Checkpoint(task.folder, progress, patience=options.patience)],
        verbose=options.verbose,
    )
