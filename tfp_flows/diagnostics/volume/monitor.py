"""A Keras callback that watches what a flow in training does to volumes."""

import dataclasses
import pathlib
import time
import warnings
from typing import Any

import keras

from tfp_flows.diagnostics.volume.probe import VolumeProbe
from tfp_flows.diagnostics.volume.record import VolumeLimits, VolumeReport, raised_flags

__all__ = ["VolumeMonitor"]


class VolumeMonitor(keras.callbacks.Callback):
    """Measures a flow on a fixed batch of rows every few steps of training.

    Each measurement is a `VolumeReport`, kept in `reports`: E‖z‖²/d, log-det per
    dimension of each layer and its cumulative profile, extreme singular values of each
    layer and of the trained part, round-trip error, and flags. The numbers of the
    latest one stand in `logs` as volume_mean_square, volume_max_abs, volume_nll,
    volume_imbalance, volume_largest, volume_smallest, volume_round_trip and
    volume_flags (how many are raised). A flag that was not raised before is reported as
    a `RuntimeWarning` with its numbers.

    Put it *first* in the list of callbacks: Keras passes `logs` from one to the next,
    so that `TensorBoard`, `CSVLogger` and `EarlyStopping` see the numbers only where
    they come later. Of those that come before, `EarlyStopping` warns that its quantity
    is missing, the others write without it. The history of `fit` has it in any order.

    Cost: a measurement that is due waits while the time spent here, the next
    measurement included, would exceed `max_share` of the training time. The first
    measurement, at the start, compiles the computation and is not counted. With
    `max_share=None` steps alone decide, which is reproducible.

    The model is anything with a `distribution`, such as `FlowModel`.

    Args:
        x: [N, event...], rows of the data; the first `max_rows` are used.
        context: [N, C] for a conditional flow.
        every: steps between two measurements.
        limits: where flags are raised.
        warmup_steps: steps before the floor of `limits` counts.
        max_rows: rows that are measured.
        max_share: largest share of the training time, or None.
        picture: a PNG file with the cumulative profiles, drawn anew as epochs end;
            needs matplotlib.
        seed: of the power iteration's first vectors.

    Raises:
        TypeError: x is no array of rows.
        ValueError: no rows, or an argument out of range.
    """

    # With a mixture of flows: of the one in training.
    follows_component = True

    def __init__(
        self,
        x: Any,
        context: Any = None,
        *,
        every: int = 100,
        limits: VolumeLimits | None = None,
        warmup_steps: int = 1000,
        max_rows: int = 32,
        max_share: float | None = 0.05,
        picture: str | pathlib.Path | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if not hasattr(x, "shape") and not isinstance(x, list | tuple):
            raise TypeError(
                "Expected the probe as an array of rows, [N, event...], received "
                f"{type(x).__name__}. Take a batch: next(iter(dataset))."
            )
        if len(x) == 0 or max_rows < 1:
            raise ValueError(
                f"Expected a probe of at least one row, received {len(x)} rows and "
                f"max_rows={max_rows}. Give some rows of the data, [N, event...]."
            )
        if every < 1 or (max_share is not None and not max_share > 0):
            raise ValueError(
                "every must be at least 1 and max_share positive or None, received "
                f"{every} and {max_share}."
            )
        self.limits = VolumeLimits() if limits is None else limits
        self.every, self.warmup_steps, self.max_share = every, warmup_steps, max_share
        self.picture = None if picture is None else pathlib.Path(picture)
        self.reports: list[VolumeReport] = []
        self._rows = x[:max_rows]
        self._context = None if context is None else context[:max_rows]
        self._seed = seed
        self._spent = self._began = 0.0
        # Of the latest measurement and the latest picture.
        self._costs = {"measure": 0.0, "draw": 0.0}
        self._epoch = self._due = self._num_drawn = 0

    @property
    def flags(self) -> tuple[str, ...]:
        """Names of the flags that the latest measurement raised."""
        return self.reports[-1].flags if self.reports else ()

    @property
    def share(self) -> float:
        """Share of the time since training began that was spent here."""
        return self._spent / max(time.perf_counter() - self._began, 1e-9)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Compiles the computation and measures the start."""
        self._probe = VolumeProbe(
            self.model.distribution, self._rows, self._context, seed=self._seed
        )
        self._measure()
        # What the second time costs: compiling is over.
        self._spent, self._began = 0.0, time.perf_counter()
        self._costs["measure"] = 0.0
        self._due = self._step + self.every

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Notes the epoch."""
        self._epoch = epoch + 1

    def on_train_batch_end(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        """Measures where it is due, and adds the numbers to `logs`."""
        step = self._step
        # A callback that returned to earlier weights has turned the counter back.
        is_due = step >= self._due or step < self._due - self.every
        if is_due and self._has_time_to("measure"):
            self._due = step + self.every
            self._measure()
        if logs is not None:
            logs.update(self.reports[-1].scalars())

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Adds the numbers to `logs` and draws the picture."""
        if self.reports[-1].epoch != self._epoch and self._has_time_to("measure"):
            self._measure()
        if logs is not None:
            logs.update(self.reports[-1].scalars())
        if self._has_time_to("draw"):
            self._draw()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Measures the end, and draws the last picture."""
        if self.reports[-1].step != self._step:
            self._measure()
        self._draw()

    @property
    def _step(self) -> int:
        return int(self.model.optimizer.iterations)

    def _has_time_to(self, task: str) -> bool:
        if self.max_share is None:
            return True
        # Pictures take the first half of the time alone: measurements go on.
        share = self.max_share * (0.5 if task == "draw" else 1.0)
        elapsed = time.perf_counter() - self._began
        return self._spent + self._costs[task] <= share * elapsed

    def _measure(self) -> None:
        began = time.perf_counter()
        step = self._step
        report = dataclasses.replace(
            self._probe.measure(), step=step, epoch=self._epoch
        )
        flags = raised_flags(report, self.limits, is_warm=step >= self.warmup_steps)
        report = dataclasses.replace(report, flags=flags)
        raised = [flag for flag in flags if flag not in self.flags]
        self.reports.append(report)
        self._count("measure", began)
        if raised:
            warnings.warn(
                f"Volume flags raised at step {step}: {', '.join(raised)}. {report}",
                RuntimeWarning,
                stacklevel=2,
            )

    def _draw(self) -> None:
        if self.picture is None or self._num_drawn == len(self.reports):
            return
        began = time.perf_counter()
        # Here and not above: matplotlib is needed for this alone.
        from tfp_flows.diagnostics.volume.picture import write_profile

        write_profile(self.picture, self.reports)
        self._num_drawn = len(self.reports)
        self._count("draw", began)

    def _count(self, task: str, began: float) -> None:
        self._costs[task] = time.perf_counter() - began
        self._spent += self._costs[task]
