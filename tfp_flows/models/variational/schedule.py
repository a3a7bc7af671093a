"""What changes over the epochs of a stage: β, and which components are drawn from."""

from typing import Any

import keras

from tfp_flows.objectives import kl_annealing, sample_all_probability

__all__ = ["StageSchedule"]


class StageSchedule(keras.callbacks.Callback):
    """Sets β and the share of batches from all components; logs stage and β.

    While β rises a stage does not end: another callback's wish to stop is deferred,
    because losses of different β cannot be compared.

    Args:
        model: the staged model.
        epochs: epochs of a stage.
        annealing_epochs: over how many β rises.
    """

    def __init__(self, model: Any, *, epochs: int, annealing_epochs: int) -> None:
        super().__init__()
        self.epochs, self.annealing_epochs = epochs, annealing_epochs
        self._staged = model

    def begin(self, stage: int, first_epoch: int, *, continues: bool) -> None:
        """Starts a stage; β stays at one where training of it goes on."""
        self._stage, self._first_epoch = stage, first_epoch
        self._annealing = 0 if continues else self.annealing_epochs

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Sets the schedules of the epoch."""
        done = epoch - self._first_epoch
        self._staged.beta.assign(kl_annealing(done, self._annealing))
        self._staged.sample_all.assign(
            sample_all_probability(
                self._stage, self._staged.num_components, done / self.epochs
            )
        )

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Logs the stage and β."""
        if logs is not None:
            logs["stage"] = float(self._stage)
            logs["beta"] = float(self._staged.beta.numpy())

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Leaves β at one."""
        self._staged.beta.assign(1.0)

    def may_stop(self) -> bool:
        """Whether β has reached one."""
        return float(self._staged.beta.numpy()) >= 1.0
