"""The optimizer of every training."""

import keras

from tfp_flows.cli.training.task import Task

__all__ = ["new_optimizer"]

# A step of this gradient norm (nats per unit of weight) is far outside what training
# needs; without a bound one batch with an extreme row can ruin the weights.
_CLIP_NORM = 10.0


def new_optimizer(
    task: Task, num_steps: int | None = None, rate: float | None = None
) -> keras.optimizers.Optimizer:
    """Adam with a bounded gradient and a rate that falls along a cosine.

    Args:
        task: the run.
        num_steps: until the rate is zero; default those of all epochs.
        rate: at the start; default the one asked for.
    """
    options = task.options
    steps = task.num_training_rows // task.batch_size
    schedule = keras.optimizers.schedules.CosineDecay(
        rate or options.learning_rate, decay_steps=num_steps or options.epochs * steps
    )
    return keras.optimizers.Adam(schedule, global_clipnorm=_CLIP_NORM)
