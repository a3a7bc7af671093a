"""Training a model to its best validation likelihood, resumable after each epoch."""

import sys

import keras
import numpy as np
import tensorflow as tf

from tfp_flows.cli.rows import event_arrays, rows_at_a_time
from tfp_flows.cli.runs.files import reading
from tfp_flows.cli.training.bases import fitted_base
from tfp_flows.cli.training.batches import training_batches
from tfp_flows.cli.training.boosted import boost
from tfp_flows.cli.training.checkpoint import Checkpoint, Progress
from tfp_flows.cli.training.distribution import build_distribution
from tfp_flows.cli.training.optimizer import new_optimizer, print_plan
from tfp_flows.cli.training.task import Task
from tfp_flows.models import DensityModel, FlowModel

__all__ = ["train"]


def train(task: Task) -> tuple[DensityModel, Progress]:
    """Trains, or goes on training, and returns the best model: a flow or a mixture.

    Raises:
        RunError: When the loss is no longer a number.
    """
    options = task.options
    keras.utils.set_random_seed(options.seed)
    if options.boost is not None:
        return boost(task)
    progress = Progress.read(task.folder)
    if progress is None:
        progress, model = Progress(), _new_model(task)
    else:
        print(f"\nresuming after epoch {progress.epoch}")
        with reading(task.folder / progress.last):
            model = keras.models.load_model(task.folder / progress.last)
    print_plan(task, model)
    checkpoint = Checkpoint(task.folder, progress, patience=options.patience)
    if progress.epoch < options.epochs and not checkpoint.finished:
        _fit(task, model, checkpoint)
    with reading(task.folder / progress.best):
        best = keras.models.load_model(task.folder / progress.best, compile=False)
    return best, progress


def _new_model(task: Task) -> FlowModel:
    options = task.options
    base = fitted_base(task)
    distribution = build_distribution(
        task.flow, task.schema, seed=options.seed, base=base
    )
    model = FlowModel(distribution, name=task.flow.replace("-", "_"))
    optimizer = new_optimizer(task)
    model.compile(optimizer)
    optimizer.build(model.trainable_variables)
    x, context = event_arrays(model, task.part("train"))
    order = np.random.default_rng(options.seed).permutation(len(x))
    model.adapt(x[order], None if context is None else context[order])
    return model


def _fit(task: Task, model: FlowModel, checkpoint: Checkpoint) -> None:
    options = task.options
    first = checkpoint.progress.epoch
    batches, steps = training_batches(
        *event_arrays(model, task.part("train")),
        batch_size=task.batch_size,
        seed=options.seed,
        first_epoch=first,
    )
    x, context = event_arrays(model, task.part("validation"))
    rows = (x,) if context is None else ((x, context),)
    validation = tf.data.Dataset.from_tensor_slices(rows)
    verbose = 1 if sys.stdout.isatty() else 2
    model.fit(
        batches,
        validation_data=validation.batch(rows_at_a_time(model.distribution)),
        epochs=options.epochs,
        initial_epoch=first,
        steps_per_epoch=steps,
        callbacks=[checkpoint],
        verbose=0 if options.quiet else verbose,
    )
