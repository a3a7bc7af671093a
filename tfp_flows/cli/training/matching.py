"""Flow matching before the first epoch: many small steps that solve no equation."""

import time

import numpy as np
import tensorflow as tf

from tfp_flows.cli.training.batches import batches_of
from tfp_flows.cli.training.optimizer import new_optimizer
from tfp_flows.cli.training.progress import Progress
from tfp_flows.cli.training.task import Task
from tfp_flows.models import FlowModel
from tfp_flows.objectives import FlowMatching

__all__ = ["SHORTEST_MATCHED", "match", "match_velocity"]

SHORTEST_MATCHED = 10
"""Epochs of the shortest training that is worth matching first."""

# More steps gain little. Keras runs so many at once.
_STEPS_AN_EPOCH, _MOST_STEPS, _AT_ONCE = 300, 10_000, 100
# Of the likelihood's rate: a regression takes larger steps.
_RATES = 10.0


def match_velocity(
    task: Task, model: FlowModel, progress: Progress, validation: tf.data.Dataset
) -> None:
    """Trains the velocity of a continuous flow by matching, where rows gain by it.

    Short trainings go without. Says what it did and adds its seconds to `progress`.

    Args:
        task: the run.
        model: compiled, its parts set from data.
        progress: of the run.
        validation: rows that decide whether the velocity is kept.
    """
    options, start = task.options, time.monotonic()
    if options.epochs < SHORTEST_MATCHED:
        return
    steps = min(_MOST_STEPS, _STEPS_AN_EPOCH * options.epochs)
    (layer,) = model.continuous_layers
    weights = layer.network.get_weights()
    before = model.evaluate(validation, verbose=0, return_dict=True)["loss"]
    batches, _ = batches_of(task, model)
    match(task, model, batches, steps)
    after = model.evaluate(validation, verbose=0, return_dict=True)["loss"]
    is_better = bool(np.isfinite(after)) and not after >= before
    if not is_better:
        layer.network.set_weights(weights)
    progress.seconds += time.monotonic() - start
    kept = "" if is_better else ", not kept"
    print(
        f"matching   {steps:,} steps, nats of validation rows {-before:.2f} to "
        f"{-after:.2f}{kept}",
        flush=True,
    )


def match(
    task: Task, model: FlowModel, batches: tf.data.Dataset, num_steps: int
) -> None:
    """Trains the velocity of a model by flow matching."""
    matched = FlowModel(model.distribution, objective=FlowMatching())
    matched.compile(
        new_optimizer(task, num_steps, _RATES * task.options.learning_rate),
        steps_per_execution=_AT_ONCE,
    )
    matched.fit(batches, steps_per_epoch=num_steps, verbose=0)
