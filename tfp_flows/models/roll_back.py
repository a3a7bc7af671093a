"""A Keras callback that rescues a training that runs away."""

import dataclasses
import math
import warnings
from typing import Any

import keras
import numpy as np

from tfp_flows.models.stage_relay import copies

__all__ = ["RollBack", "RollBackEvent"]


@dataclasses.dataclass(frozen=True)
class RollBackEvent:
    """One return to good weights.

    Attributes:
        step: of the optimizer, where the trouble was seen.
        to_step: of the weights that training returned to.
        reason: what was seen.
        learning_rate: from then on.
    """

    step: int
    to_step: int
    reason: str
    learning_rate: float


class RollBack(keras.callbacks.Callback):
    """Returns to the last good weights when training breaks, and goes on more slowly.

    Trouble is a loss or validation loss that is not finite, or a flag that a
    `VolumeMonitor` raises and the good weights did not have. Then weights and the
    optimizer's state return to the last good ones, the learning rate is multiplied by
    `factor`, and training goes on. Every return is a `RuntimeWarning`, a
    `RollBackEvent` in `events`, and counted in `logs` as "rollbacks".

    Weights are good when they have lasted `every` steps of finite loss without
    trouble; with a monitor, when a measurement raised no new flag. Those at the start
    of training count as good. Put it after the monitor in the list of callbacks.

    Cost: a copy of weights and optimizer state every `every` steps, in memory.

    Args:
        monitor: a `VolumeMonitor` whose flags are heeded, or None.
        factor: in (0, 1), by which the learning rate falls each time.
        every: steps between two copies, where there is no monitor.
        max_rollbacks: returns after which training stops, with the good weights and a
            warning: what breaks again and again is not cured by a smaller step.

    Raises:
        ValueError: an argument out of range; when training begins, a learning-rate
            schedule, which a callback cannot lower.
    """

    # With a mixture of flows: of the one in training.
    follows_component = True

    def __init__(
        self,
        monitor: Any = None,
        *,
        factor: float = 0.5,
        every: int = 50,
        max_rollbacks: int = 10,
    ) -> None:
        super().__init__()
        if not 0 < factor < 1 or every < 1 or max_rollbacks < 1:
            raise ValueError(
                "Expected factor in (0, 1), every and max_rollbacks of at least 1, "
                f"received {factor}, {every} and {max_rollbacks}."
            )
        self.monitor, self.factor = monitor, factor
        self.every, self.max_rollbacks = every, max_rollbacks
        self.events: list[RollBackEvent] = []
        self._num_seen = 0
        self._ends_reset = False

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Keeps the weights that training starts from."""
        rate = self.model.optimizer.get_config()["learning_rate"]
        if isinstance(rate, dict):
            raise ValueError(
                "RollBack lowers the learning rate, which a schedule decides by "
                f"itself; received {rate.get('class_name')}. Compile with a number."
            )
        self.model.optimizer.build(self.model.trainable_variables)
        self._good = self._candidate = self._copy()
        self._num_seen = len(self._reports)
        self._good_flags = self._flags

    def on_train_batch_end(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        """Looks for trouble, and keeps weights that proved good."""
        logs = {} if logs is None else logs
        self._ends_reset = False
        reason = self._trouble(logs, "loss")
        if reason is not None:
            self._return(reason)
        elif self.monitor is not None:
            self._keep_measured()
        elif self._step >= self._candidate[0] + self.every:
            self._good, self._candidate = self._candidate, self._copy()
        logs["rollbacks"] = float(len(self.events))

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Looks at the validation loss."""
        logs = {} if logs is None else logs
        if self._ends_reset:
            # Metrics were reset after the last batch: their zero would look good.
            logs["loss"] = math.nan
        reason = self._trouble(logs, "val_loss")
        if reason is not None:
            self._return(reason)
        elif self.monitor is not None:
            self._keep_measured()
        logs["rollbacks"] = float(len(self.events))

    @property
    def _step(self) -> int:
        return int(self.model.optimizer.iterations)

    @property
    def _reports(self) -> list[Any]:
        return [] if self.monitor is None else self.monitor.reports

    @property
    def _flags(self) -> tuple[str, ...]:
        return self._reports[-1].flags if self._reports else ()

    def _trouble(self, logs: dict[str, Any], name: str) -> str | None:
        if name in logs and not math.isfinite(logs[name]):
            return f"the {name.replace('_', ' ')} is not finite"
        if len(self._reports) > self._num_seen:
            new = [flag for flag in self._flags if flag not in self._good_flags]
            if new:
                return f"the monitor raised {', '.join(new)}"
        return None

    def _keep_measured(self) -> None:
        if len(self._reports) > self._num_seen:
            self._num_seen = len(self._reports)
            self._good, self._good_flags = self._copy(), self._flags

    def _copy(self) -> tuple[int, list[np.ndarray]]:
        return self._step, copies(self._variables())

    def _variables(self) -> list[Any]:
        """Weights and the optimizer's state but the learning rate."""
        optimizer = self.model.optimizer
        state = [v for v in optimizer.variables if v is not optimizer.learning_rate]
        return [*self.model.weights, *state]

    def _return(self, reason: str) -> None:
        step, optimizer = self._step, self.model.optimizer
        to_step, values = self._good
        for variable, value in zip(self._variables(), values, strict=True):
            variable.assign(value)
        rate = float(optimizer.learning_rate) * self.factor
        optimizer.learning_rate = rate
        self._candidate, self._num_seen = self._good, len(self._reports)
        # A running mean that is not finite would stay so for the rest of the epoch.
        self.model.reset_metrics()
        self._ends_reset = True
        self.events.append(RollBackEvent(step, to_step, reason, rate))
        message = (
            f"Roll-back {len(self.events)} at step {step}: {reason}; back to the "
            f"weights of step {to_step}, learning rate {rate:.3g} from here."
        )
        if len(self.events) >= self.max_rollbacks:
            self.model.stop_training = True
            message += (
                " This was the last one: training stops. Look for rows that are not "
                "finite or extreme, or bound the flow's log-scales."
            )
        warnings.warn(message, RuntimeWarning, stacklevel=2)
