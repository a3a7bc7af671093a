"""The loops over steps, from τ = 0 to 1, without gradients."""

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tfp_flows.ode.attempt import Attempt, Slope, attempt, combine, interpolate
from tfp_flows.ode.statistics import Statistics, Status
from tfp_flows.ode.step_control import ErrorNorm, first_step, next_step
from tfp_flows.ode.steps import FixedSteps, Steps
from tfp_flows.ode.tableau import Tableau

__all__ = ["Integral", "Record", "carried", "effective_method", "integrate"]

_RUNNING = -1


class Record(NamedTuple):
    """Where each step began and how long it was; 0 for a row that did not take it.

    Attributes:
        y: tf.TensorArray of [B, F].
        tau: tf.TensorArray of [B].
        omega: tf.TensorArray of [B].
    """

    y: tf.TensorArray
    tau: tf.TensorArray
    omega: tf.TensorArray

    @classmethod
    def empty(cls, y: tf.Tensor, size: int) -> "Record":
        """Room for so many steps."""

        def room(shape: tf.TensorShape) -> tf.TensorArray:
            return tf.TensorArray(
                y.dtype, size, element_shape=shape, clear_after_read=False
            )

        return cls(room(y.shape), room(y.shape[:1]), room(y.shape[:1]))

    def write(self, index: tf.Tensor, *values: tf.Tensor) -> "Record":
        """Keeps one step."""
        pairs = zip(self, values, strict=True)
        return Record(*(array.write(index, value) for array, value in pairs))

    def read(self, index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Returns y, τ and ω of a step."""
        return self.y.read(index), self.tau.read(index), self.omega.read(index)


def carried(values: Any) -> Any:
    """Returns tensors that a loop carries, in its body, safe to be terms of a sum.

    In graphs that TensorFlow's memory optimizer takes for larger than 200 MB it makes
    of a sum of three terms and more a temporary variable, created with its first term.
    Where that is the bare loop variable, it is created once more as the loop ends, and
    never destroyed: the next call fails with AlreadyExistsError. An operation between
    the two does not run then, and of those without effect `ensure_shape` alone is left
    in place by all optimizers.
    """
    return tf.nest.map_structure(lambda one: tf.ensure_shape(one, one.shape), values)


class Integral(NamedTuple):
    """y(1), [B, F], y at the fractions, [J, B, F], statistics, the record and sums."""

    end: tf.Tensor
    saved: tf.Tensor
    statistics: Statistics
    num_steps: tf.Tensor
    record: Any
    sums: Any


class _Progress(NamedTuple):
    index: tf.Tensor
    tau: tf.Tensor
    omega: tf.Tensor
    y: tf.Tensor
    first: tf.Tensor
    error: tf.Tensor
    was_rejected: tf.Tensor
    status: tf.Tensor
    accepted: tf.Tensor
    rejected: tf.Tensor
    saved: tf.Tensor
    record: Any
    sums: Any


class _NoSums:
    """What is summed along the way: nothing."""

    zero = ()

    def add(self, sums: Any, omega: tf.Tensor, tried: Attempt) -> Any:
        return sums


def integrate(
    slope: Slope,
    y: tf.Tensor,
    method: Tableau,
    steps: Steps,
    components: Any,
    fractions: tf.Tensor | None = None,
    *,
    keep_record: bool = False,
    sums: Any = _NoSums(),  # noqa: B008
) -> Integral:
    """Solves dy/dτ = slope(τ, y) from 0 to 1.

    Args:
        slope: dy/dτ, row by row.
        y: [B, F] at τ = 0.
        method: the tableau.
        steps: how steps are chosen.
        components: columns of each component whose error counts.
        fractions: [J, B], where on the way to return y too; None for nowhere.
        keep_record: keep what a walk back along the steps needs.
        sums: object with `zero` and `add(sums, ω, attempt)`, a running sum over the
            steps that are taken.
    """
    method = effective_method(method, steps, fractions)
    if isinstance(steps, FixedSteps):
        loop: _Loop = _FixedLoop(slope, method, steps, fractions, sums)
    else:
        loop = _AdaptiveLoop(slope, method, steps, fractions, sums)
        loop.norm = ErrorNorm(components, steps)
    return loop.run(y, keep_record)


def effective_method(
    method: Tableau, steps: Steps, fractions: tf.Tensor | None
) -> Tableau:
    """The method with the slope at its end, where steps or saving need it."""
    is_plain = isinstance(steps, FixedSteps) and fractions is None
    return method if is_plain else method.reusing_end()


class _Loop:
    """What both loops share: saving, recording, the end."""

    def __init__(
        self,
        slope: Slope,
        method: Tableau,
        steps: Any,
        fractions: tf.Tensor | None,
        sums: Any,
    ) -> None:
        self.slope, self.method, self.steps = slope, method, steps
        self.fractions, self.sums = fractions, sums
        self.calls_a_step = len(method.b) - method.reuses_end

    @property
    def max_steps(self) -> int:
        raise NotImplementedError

    def start(self, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, int]:
        """Returns the first slope, the first ω, and how many calls that took."""
        raise NotImplementedError

    def step(self, now: _Progress) -> _Progress:
        raise NotImplementedError

    def run(self, y: tf.Tensor, keep_record: bool) -> Integral:
        first, omega, calls = self.start(y)
        rows = tf.zeros_like(y[:, 0], tf.int32)
        is_finite = _all_finite(y) & _all_finite(first)
        now = _Progress(
            index=tf.constant(0),
            tau=tf.zeros_like(omega),
            omega=omega,
            y=y,
            first=first,
            error=tf.zeros_like(omega),
            was_rejected=rows != 0,
            status=tf.where(is_finite, _RUNNING, int(Status.NOT_FINITE)),
            accepted=rows,
            rejected=rows,
            saved=self._saved_at_start(y),
            record=Record.empty(y, self.max_steps) if keep_record else (),
            sums=self.sums.zero,
        )

        def body(*parts: Any) -> tuple[Any, ...]:
            now = _Progress(*parts)
            return tuple(
                self.step(now._replace(y=carried(now.y), sums=carried(now.sums)))
            )

        now = _Progress(
            *tf.while_loop(
                lambda *now: tf.reduce_any(_Progress(*now).status == _RUNNING),
                body,
                tuple(now),
                maximum_iterations=self.max_steps,
            )
        )
        ran_out = int(Status.TOO_MANY_STEPS)
        statistics = Statistics(
            calls=calls + self.calls_a_step * (now.accepted + now.rejected),
            accepted=now.accepted,
            rejected=now.rejected,
            status=tf.where(now.status == _RUNNING, ran_out, now.status),
        )
        return Integral(now.y, now.saved, statistics, now.index, now.record, now.sums)

    def advance(
        self, now: _Progress, omega: tf.Tensor, took: tf.Tensor, tried: Attempt
    ) -> _Progress:
        """Moves the rows that took the step, and keeps what has to be kept."""
        taken = tf.where(took, omega, tf.zeros_like(omega))
        # The last step is 1 − τ: the same number, so that it arrives at exactly 1.
        after = tf.where(omega >= 1 - now.tau, tf.ones_like(omega), now.tau + omega)
        tau = tf.where(took, after, now.tau)
        saved = now.saved
        if self.fractions is not None:
            here = took & (self.fractions > now.tau) & (self.fractions <= tau)
            theta = tf.math.divide_no_nan(self.fractions - now.tau, omega)
            values = interpolate(self.method, theta, omega, tried)
            saved = tf.where(here[..., tf.newaxis], values, saved)
        record = now.record
        if record:
            record = record.write(now.index, now.y, now.tau, taken)
        column = took[:, tf.newaxis]
        first = tried.slopes[-1] if self.method.reuses_end else now.first
        return now._replace(
            index=now.index + 1,
            tau=tau,
            y=tf.where(column, tried.end, now.y),
            first=tf.where(column, first, now.first),
            saved=saved,
            record=record,
            sums=self.sums.add(now.sums, taken, tried),
            accepted=now.accepted + tf.cast(took, tf.int32),
        )

    def _saved_at_start(self, y: tf.Tensor) -> tf.Tensor:
        if self.fractions is None:
            return tf.zeros([0], y.dtype)
        shape = tf.concat([tf.shape(self.fractions)[:1], tf.shape(y)], axis=0)
        saved = tf.broadcast_to(y, shape)
        return tf.ensure_shape(saved, [self.fractions.shape[0], *y.shape])


class _AdaptiveLoop(_Loop):
    norm: ErrorNorm

    @property
    def max_steps(self) -> int:
        return self.steps.max_steps

    def start(self, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, int]:
        first = self.slope(tf.zeros_like(y[:, 0]), y)
        order = self.method.order
        omega = first_step(self.slope, y, first, order, self.norm)
        return first, omega, 2

    def step(self, now: _Progress) -> _Progress:
        alive = now.status == _RUNNING
        left = 1 - now.tau
        # One step to the end rather than one and a sliver.
        omega = tf.where(1.01 * now.omega >= left, left, now.omega)
        # Which steps are taken is no part of a gradient.
        omega = tf.stop_gradient(tf.where(alive, omega, tf.zeros_like(omega)))
        tried = attempt(self.slope, self.method, now.tau, omega, now.y, now.first)
        scaled = omega[:, tf.newaxis] * combine(self.method.error or (), tried.slopes)
        scaled /= self.norm.tolerated(now.y, tried.end)
        own, error = self.norm.of_rows(scaled), self.norm(scaled, alive)
        infinite = tf.zeros_like(error) + float("inf")
        error = tf.where(_all_finite(tried.end), error, infinite)
        if self.norm.pooled:
            # All rows take the same step, or none does.
            worst = tf.where(alive, error, tf.zeros_like(error))
            error = tf.zeros_like(error) + tf.reduce_max(worst)
        took = alive & (error <= 1)
        refused = alive & ~took
        following = next_step(
            omega, error, now.error, took, now.was_rejected, self.method.order
        )
        moved = self.advance(now, omega, took, tried)
        status = tf.where(took & (moved.tau >= 1), int(Status.REACHED_END), now.status)
        smallest = 4 * np.finfo(omega.dtype.as_numpy_dtype).eps
        to_blame = refused & (following < smallest) & ~(own <= 1)
        cause = tf.where(
            tf.math.is_finite(own), int(Status.STEP_UNDERFLOW), int(Status.NOT_FINITE)
        )
        return moved._replace(
            omega=following,
            error=tf.where(took, tf.maximum(error, 1e-4), now.error),
            was_rejected=refused,
            status=tf.where(to_blame, cause, status),
            rejected=now.rejected + tf.cast(refused, tf.int32),
        )


class _FixedLoop(_Loop):
    @property
    def max_steps(self) -> int:
        return self.steps.num_steps

    def start(self, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, int]:
        omega = tf.zeros_like(y[:, 0]) + 1.0 / self.max_steps
        if not self.method.reuses_end:
            return tf.zeros_like(y), omega, 0
        return self.slope(tf.zeros_like(omega), y), omega, 1

    def step(self, now: _Progress) -> _Progress:
        alive = now.status == _RUNNING
        is_last = now.index + 1 == self.max_steps
        omega = tf.where(is_last, 1 - now.tau, now.omega)
        first = now.first
        if not self.method.reuses_end:
            first = self.slope(now.tau, now.y)
        tried = attempt(self.slope, self.method, now.tau, omega, now.y, first)
        took = alive & _all_finite(tried.end)
        moved = self.advance(now, omega, took, tried)
        status = tf.where(took, now.status, int(Status.NOT_FINITE))
        status = tf.where(took & is_last, int(Status.REACHED_END), status)
        return moved._replace(status=status)


def _all_finite(y: tf.Tensor) -> tf.Tensor:
    return tf.reduce_all(tf.math.is_finite(y), axis=-1)
