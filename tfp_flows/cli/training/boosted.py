"""Training a mixture of flows, resumable after each of them."""

import math
import os
import sys
from typing import Any

import keras
from tensorflow_probability import distributions as tfd

from tfp_flows.cli.errors import RunError
from tfp_flows.cli.rows import event_arrays
from tfp_flows.cli.runs.files import reading
from tfp_flows.cli.training.bases import fitted_base
from tfp_flows.cli.training.checkpoint import Progress
from tfp_flows.cli.training.distribution import build_distribution
from tfp_flows.cli.training.optimizer import new_optimizer, print_plan
from tfp_flows.cli.training.task import Task
from tfp_flows.models import BoostedFlow, BoostingStage

__all__ = ["boost"]


def boost(task: Task) -> tuple[BoostedFlow, Progress]:
    """Trains, or goes on training, a mixture of flows.

    Raises:
        RunError: When a loss is no longer a number.
    """
    progress = Progress.read(task.folder)
    if progress is None:
        progress = Progress()
        model = BoostedFlow(
            _component(task),
            task.options.boost or 1,
            patience=task.options.patience,
            name=f"boosted_{task.flow.replace('-', '_')}",
        )
        model.compile(new_optimizer(task))
    else:
        with reading(task.folder / progress.last):
            model = keras.models.load_model(task.folder / progress.last)
        model.component = _component(task)
        print(f"\nresuming after component {model.num_trained}")
    print_plan(task, model)
    if model.num_trained < model.most_components:
        _fit(task, model, progress)
    return model, progress


def _component(task: Task) -> Any:
    def build(index: int) -> tfd.Distribution:
        seed = task.options.seed + index
        # The stage draws the same batches whether or not the run was interrupted.
        keras.utils.set_random_seed(seed)
        base = fitted_base(task)
        return build_distribution(
            task.flow, task.schema, seed=1_000_000 * index + seed, base=base
        )

    return build


def _fit(task: Task, model: BoostedFlow, progress: Progress) -> None:
    arrays = [event_arrays(model, task.part(part)) for part in ("train", "validation")]
    train, validation = (
        x if context is None else (x, context) for x, context in arrays
    )
    verbose = 1 if sys.stdout.isatty() else 2
    model.fit(
        train,
        batch_size=task.batch_size,
        epochs=task.options.epochs,
        validation_data=(validation,),
        callbacks=[_StageCheckpoint(task, progress)],
        verbose=0 if task.options.quiet else verbose,
    )


class _StageCheckpoint(keras.callbacks.Callback):
    """Saves the model at the end of each stage; stops where numbers fail."""

    def __init__(self, task: Task, progress: Progress) -> None:
        super().__init__()
        self._folder, self._progress = task.folder, progress
        self._records: list[dict[str, float]] = []

    def on_train_batch_end(self, batch: int, logs: dict[str, Any]) -> None:
        """Stops at the first batch whose loss is no number."""
        if not math.isfinite(logs["loss"]):
            kept = self._progress.last
            those = (
                f": those before it are kept in {self._folder / kept}; "
                if kept
                else ": "
            )
            raise RunError(
                "the training loss is not a number in component "
                f"{self.model.num_trained + 1}{those}start again with --overwrite "
                "and a smaller --learning-rate, or look for extreme rows in the data"
            )

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        """Records the epoch."""
        self._records.append(
            {
                "epoch": epoch + 1,
                "stage": int(logs["stage"]),
                "loss": float(logs["loss"]),
                "val_loss": float(logs["val_loss"]),
                "learning_rate": float(self.model.optimizer.learning_rate),
            }
        )

    def on_stage_end(self, stage: BoostingStage) -> None:
        """Saves what is complete."""
        progress = self._progress
        progress.seconds += stage.seconds
        progress.history += self._records
        if stage.val_loss is not None:
            progress.best_loss = stage.val_loss
        progress.epoch = len(progress.history)
        self._records = []
        self._save()

    def _save(self) -> None:
        progress = self._progress
        progress.last = progress.best = f"epoch-{progress.epoch:04d}.keras"
        unfinished = self._folder / "unfinished.keras"
        self.model.save(unfinished)
        os.replace(unfinished, self._folder / progress.last)
        progress.write(self._folder)
