"""The gradient of the numbers computed, by a walk back along the steps."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tfp_flows.ode.attempt import attempt, interpolate
from tfp_flows.ode.integrate import Integral, carried, effective_method
from tfp_flows.ode.problem import Problem, gradient_of, with_gradient
from tfp_flows.ode.statistics import Statistics

__all__ = ["DiscreteAdjoint"]


@dataclasses.dataclass(frozen=True)
class DiscreteAdjoint:
    """Walks back along the steps that were taken, each computed once more.

    The gradient is exact to rounding, with the steps, as fractions of the way from t₀
    to t₁, held fixed. Memory: the state at each step, and the evaluations of one.
    Eagerly TensorFlow itself records every evaluation, and the gradient is the same.
    """

    def __call__(
        self, problem: Problem, y: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, Statistics]:
        """As in `Gradient`."""
        if tf.executing_eagerly():
            found = problem.integrate(y, problem.inputs)
            return found.end, found.saved, found.statistics
        return with_gradient(problem, y, _walk_back, keep_record=True)


def _walk_back(
    problem: Problem,
    found: Integral,
    inputs: Sequence[tf.Tensor],
    variables: list[tf.Variable],
    on_end: tf.Tensor,
    on_saved: tf.Tensor,
) -> tuple[tf.Tensor, list[tf.Tensor]]:
    fractions = problem.fractions
    method = effective_method(problem.method, problem.steps, fractions)

    def step_back(index: tf.Tensor, on_y: tf.Tensor, *sums: tf.Tensor) -> Any:
        index -= 1
        on_y, *sums = carried((on_y, *sums))
        y, tau, omega = found.record.read(index)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([y, *variables])
            here = problem.watched(tape, inputs)
            slope = problem.slope(here)
            tried = attempt(
                slope, method, tau, omega, y, slope(tau, y), end_only=fractions is None
            )
            targets, upstream = [tried.end], [on_y]
            if fractions is not None:
                after = tf.where(omega >= 1 - tau, tf.ones_like(tau), tau + omega)
                inside = (omega > 0) & (fractions > tau) & (fractions <= after)
                theta = tf.math.divide_no_nan(fractions - tau, omega)
                targets.append(interpolate(method, theta, omega, tried))
                upstream.append(_where(inside, on_saved))
        sources = [y, *here, *variables]
        on_y, *more = gradient_of(tape, targets, sources, upstream)
        return index, on_y, *(sum_ + one for sum_, one in zip(sums, more, strict=True))

    zeros = [tf.zeros_like(source) for source in (*inputs, *variables)]
    _, on_y, *sums = tf.while_loop(
        lambda index, *_: index > 0, step_back, (found.num_steps, on_end, *zeros)
    )
    if fractions is not None:
        on_y += tf.reduce_sum(_where(fractions <= 0, on_saved), axis=0)
    return on_y, sums


def _where(condition: tf.Tensor, value: tf.Tensor) -> tf.Tensor:
    return tf.where(condition[..., tf.newaxis], value, tf.zeros_like(value))
