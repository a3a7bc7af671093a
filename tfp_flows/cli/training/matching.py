"""Flow matching before the first epoch: many small steps that solve no equation."""

import time

import numpy as np
import tensorflow as tf

from tfp_flows.cli.rows import event_arrays
from tfp_flows.cli.training.batches import training_batches
from tfp_flows.cli.training.optimizer import new_optimizer
from tfp_flows.cli.training.progress import Progress
from tfp_flows.cli.training.task import Task
from tfp_flows.models import FlowModel
from tfp_flows.objectives import FlowMatching

__all__ = ["match_velocity"]

# More steps gain little. Keras runs so many at once.
_STEPS_AN_EPOCH, _MOST_STEPS, _AT_ONCE = 300, 10_000, 100
_LEAST_EPOCHS = 10
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
    if options.epochs < _LEAST_EPOCHS:
        return
    steps = min(_MOST_STEPS, _STEPS_AN_EPOCH * options.epochs)
    (layer,) = model.continuous_layers
    weights = layer.network.get_weights()
    before = model.evaluate(validation, verbose=0, return_dict=True)["loss"]
    matched = FlowModel(model.distribution, objective=FlowMatching())
    matched.compile(
        new_optimizer(task, steps, _RATES * options.learning_rate),
        steps_per_execution=_AT_ONCE,
    )
    batches, _ = training_batches(
        *event_arrays(model, task.train.values, task.train.context),
        task.train.relative_weight,
        batch_size=task.batch_size,
        seed=options.seed,
    )
    matched.fit(batches, steps_per_epoch=steps, verbose=0)
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
