"""What all trainings of the command line start with."""

import keras
import numpy as np

from tfp_flows.cli.training.task import Task
from tfp_flows.models import DensityModel

__all__ = ["new_optimizer", "print_plan"]

# A step of this gradient norm (nats per unit of weight) is far outside what training
# needs; without a bound one batch with an extreme row can ruin the weights.
_CLIP_NORM = 10.0


def new_optimizer(task: Task) -> keras.optimizers.Optimizer:
    """Adam with a bounded gradient and a rate that falls along a cosine."""
    options = task.options
    steps = len(task.split.train) // task.batch_size
    schedule = keras.optimizers.schedules.CosineDecay(
        options.learning_rate, decay_steps=options.epochs * steps
    )
    return keras.optimizers.Adam(schedule, global_clipnorm=_CLIP_NORM)


def print_plan(task: Task, model: DensityModel) -> None:
    """Prints what is trained on how many rows; of a mixture its first flow."""
    parameters = sum(int(np.prod(v.shape)) for v in model.trainable_variables)
    train, validation, test = (
        f"{len(getattr(task.split, part)):,}"
        for part in ("train", "validation", "test")
    )
    each = "" if task.options.boost is None else " each"
    print(f"{'flow':<11}{task.flow}, {parameters:,} weights{each}")
    print(f"{'split':<11}{train} train, {validation} validation, {test} test rows")
    print(flush=True)
