"""What every training starts with: a seed, a model, and the plan on the screen."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from tfp_flows.cli.runs.files import reading
from tfp_flows.cli.training.progress import Progress
from tfp_flows.cli.training.task import Task

__all__ = ["count_weights", "start"]


def start(
    task: Task, new_model: Callable[[Task, Progress], Any]
) -> tuple[Any, Progress]:
    """Returns the model, new or as its last checkpoint left it, and its progress.

    Args:
        task: the run.
        new_model: builds and compiles the model of a run that has no checkpoint yet.

    Raises:
        RunError: the checkpoint is damaged.
    """
    keras.utils.set_random_seed(task.options.seed)
    progress = Progress.read(task.folder)
    if progress is None:
        progress = Progress()
        model = new_model(task, progress)
    else:
        with reading(task.folder / progress.last):
            model = keras.models.load_model(task.folder / progress.last)
        done = f"epoch {progress.epoch}"
        if task.options.boost is not None:
            done = f"component {model.num_trained}"
        print(f"\nresuming after {done}")
    _print_plan(task, model)
    return model, progress


def count_weights(model: Any) -> int:
    """Returns how many numbers of a model train."""
    return sum(int(np.prod(v.shape)) for v in model.trainable_variables)


def _print_plan(task: Task, model: Any) -> None:
    """Says what is trained on how many rows; of a mixture its first flow."""
    parts = ", ".join(f"{count:,} {part}" for part, count in task.counts.items())
    each = "" if task.options.boost is None else " each"
    print(f"{'flow':<11}{task.flow}, {count_weights(model):,} weights{each}")
    print(f"{'split':<11}{parts} rows")
    print(flush=True)
