"""What the callbacks of a staged training see: one training, consecutive epochs."""

from typing import Any

import keras

from tfp_flows.models.stage_relay import split_callbacks
from tfp_flows.objectives import kl_annealing, sample_all_probability

__all__ = ["StageSchedule", "WholeTraining", "stage_callbacks"]


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

    @property
    def may_stop(self) -> bool:
        """Whether β has reached one."""
        return float(self._staged.beta.numpy()) >= 1.0


class WholeTraining(keras.callbacks.Callback):
    """Relays to callbacks that see all stages as one training.

    Args:
        callbacks: the user's, and a history.
        schedule: decides whether a stage may stop.
    """

    def __init__(
        self, callbacks: list[keras.callbacks.Callback], schedule: StageSchedule
    ) -> None:
        super().__init__()
        self.history = keras.callbacks.History()
        self._callbacks = [*callbacks, self.history]
        self._schedule = schedule

    def begin(self, *, is_first: bool, is_last: bool) -> None:
        """Starts a stage."""
        self._is_first, self._is_last = is_first, is_last

    @property
    def num_epochs(self) -> int:
        """Epochs since the beginning of all."""
        return self.history.epoch[-1] + 1 if self.history.epoch else 0

    def set_model(self, model: keras.Model) -> None:
        """Hands on the model."""
        super().set_model(model)
        for callback in self._callbacks:
            callback.set_model(model)

    def set_params(self, params: dict[str, Any]) -> None:
        """Hands on the parameters of `fit`."""
        super().set_params(params)
        for callback in self._callbacks:
            callback.set_params(params)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Only of the first stage."""
        if self._is_first:
            self._relay("on_train_begin", logs)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Only of the last stage."""
        if self._is_last:
            self._relay("on_train_end", logs)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Every epoch, counted over all stages."""
        self._relay("on_epoch_begin", epoch, logs)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Every epoch; defers a stop while β rises."""
        self._relay("on_epoch_end", epoch, logs)
        if self.model.stop_training and not self._schedule.may_stop:
            self.model.stop_training = False

    def on_train_batch_begin(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        """Every batch."""
        self._relay("on_train_batch_begin", batch, logs)

    def on_train_batch_end(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        """Every batch."""
        self._relay("on_train_batch_end", batch, logs)

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Every validation."""
        self._relay("on_test_begin", logs)

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        """Every validation."""
        self._relay("on_test_end", logs)

    def on_test_batch_begin(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        """Every batch of a validation."""
        self._relay("on_test_batch_begin", batch, logs)

    def on_test_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Every batch of a validation."""
        self._relay("on_test_batch_end", batch, logs)

    def _relay(self, method: str, *arguments: Any) -> None:
        for callback in self._callbacks:
            getattr(callback, method)(*arguments)


def stage_callbacks(
    model: Any, callbacks: Any, *, epochs: int, annealing_epochs: int
) -> tuple[StageSchedule, WholeTraining, list[keras.callbacks.Callback]]:
    """Returns the schedule, the relay of the user's, and those of every stage."""
    whole, every_stage = split_callbacks(callbacks)
    schedule = StageSchedule(model, epochs=epochs, annealing_epochs=annealing_epochs)
    return schedule, WholeTraining(whole, schedule), every_stage
