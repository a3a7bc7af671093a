"""Training a flow to its best validation likelihood, resumable after each epoch."""

import dataclasses
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfp_flows.cli.rows import event_arrays, rows_at_a_time
from tfp_flows.cli.runs.files import reading
from tfp_flows.cli.training.batches import (
    batches_of,
    in_own_words,
    validation_batches,
)
from tfp_flows.cli.training.checkpoint import Checkpoint, likelihood_of
from tfp_flows.cli.training.choice import Starts
from tfp_flows.cli.training.matching import match_velocity
from tfp_flows.cli.training.optimizer import new_optimizer
from tfp_flows.cli.training.progress import Progress
from tfp_flows.cli.training.start import start
from tfp_flows.cli.training.task import Task
from tfp_flows.models import FlowModel
from tfp_flows.objectives import EnergyScore, FlowMatching

__all__ = ["train_flow"]

# Of particles the likelihood of validation rows is solved, which training is not: of so
# many that it takes about as long as an epoch.
_VALIDATION_PAIRS, _LEAST_ROWS = 16_000, 100
# Of the likelihood's rate: matching a velocity takes larger steps.
_RATES = 4.0


def train_flow(task: Task) -> tuple[FlowModel, Progress]:
    """Trains, or goes on training, a flow, and returns its best epoch.

    Raises:
        RunError: the loss is no longer a number.
    """
    with in_own_words(task):
        model, progress = start(task, _new_model)
        is_finished = progress.wait >= task.options.patience
        if progress.epoch < task.options.epochs and not is_finished:
            _fit(task, model, progress)
    with reading(task.folder / progress.best):
        best = keras.models.load_model(task.folder / progress.best, compile=False)
    return best, progress


def _new_model(task: Task, progress: Progress) -> FlowModel:
    options, starts = task.options, Starts(task)
    chosen = starts.choose()
    progress.start = dataclasses.asdict(chosen)
    # Training draws the same numbers whether or not there were trials.
    keras.utils.set_random_seed(options.seed)
    distribution = starts.distribution(chosen, options.seed)
    objective: Any = None
    rate = options.learning_rate
    if options.objective == "energy":
        deviation = task.train.equally_weighted().values.std(axis=0)
        objective = EnergyScore(scale=deviation.tolist())
    if task.schema.particle_shape is not None:
        # No equation is solved in training, a tenth of the time.
        objective, rate = FlowMatching(coupling="orbit"), _RATES * rate
    name = task.flow.replace("-", "_")
    model = FlowModel(distribution, objective=objective, name=name)
    optimizer = new_optimizer(task, rate=rate)
    model.compile(optimizer)
    optimizer.build(model.trainable_variables)
    rows = task.train.equally_weighted()
    x, context = event_arrays(model, rows.values, rows.context)
    order = np.random.default_rng(options.seed).permutation(len(x))
    context = None if context is None else context[order]
    model.adapt(x[order], context, anew=False)
    if task.flow == "continuous" and objective is None:
        match_velocity(task, model, progress, _validation(task, model))
    return model


def _validation(task: Task, model: FlowModel) -> tf.data.Dataset:
    rows = task.validation
    if task.schema.particle_shape is not None:
        count = _VALIDATION_PAIRS // task.schema.particle_shape[0] ** 2
        rows = rows.take(np.arange(min(rows.num_rows, max(count, _LEAST_ROWS))))
    return validation_batches(
        *event_arrays(model, rows.values, rows.context),
        rows.relative_weight,
        batch_size=rows_at_a_time(model.distribution),
    )


def _fit(task: Task, model: FlowModel, progress: Progress) -> None:
    options = task.options
    batches, steps = batches_of(task, model, first_epoch=progress.epoch)
    validation = _validation(task, model)
    checkpoint = Checkpoint(task.folder, progress, patience=options.patience)
    if not progress.history:
        logs = model.evaluate(validation, verbose=0, return_dict=True)
        checkpoint.start_loss = likelihood_of(logs, "")
    model.fit(
        batches,
        validation_data=validation,
        epochs=options.epochs,
        initial_epoch=progress.epoch,
        steps_per_epoch=steps,
        callbacks=[checkpoint],
        verbose=options.verbose,
    )
