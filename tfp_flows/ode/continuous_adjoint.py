"""The gradient of the exact solution, by a solve back from the end."""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tfp_flows.ode.attempt import Attempt
from tfp_flows.ode.integrate import Integral, effective_method, integrate
from tfp_flows.ode.problem import Problem, gradient_of, with_gradient
from tfp_flows.ode.statistics import Statistics
from tfp_flows.ode.steps import AdaptiveSteps, FixedSteps

__all__ = ["ContinuousAdjoint"]


@dataclasses.dataclass(frozen=True)
class ContinuousAdjoint:
    """Solves the adjoint equation back from the end, y beside it.

        da/dτ = −(∂slope/∂y)ᵀ a,   dL/dθ = ∫ aᵀ ∂slope/∂θ dτ,   τ from 1 to 0

    Memory that steps do not add to; the error is that of the tolerance. The integrals
    over parameters, times and constants take no part in the choice of steps.

    Args:
        steps: steps of the way back; None for those of the solve.

    Reference: Chen et al. (2018), "Neural Ordinary Differential Equations",
    arXiv:1806.07366, appendix B; the norm: Kidger et al. (2021), "Hey, that's not an
    ODE: Faster ODE Adjoints via Seminorms", arXiv:2009.09457.
    """

    steps: AdaptiveSteps | FixedSteps | None = None

    def __call__(
        self, problem: Problem, y: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, Statistics]:
        """As in `Gradient`."""
        back = functools.partial(_solve_back, self.steps or problem.steps)
        return with_gradient(problem, y, back, keep_record=False)


def _solve_back(
    steps: Any,
    problem: Problem,
    found: Integral,
    inputs: Sequence[tf.Tensor],
    variables: list[tf.Variable],
    on_end: tf.Tensor,
    on_saved: tf.Tensor,
) -> tuple[tf.Tensor, list[tf.Tensor]]:
    size = found.end.shape[1]
    components = [
        slice(part.start + shift, part.stop + shift)
        for shift in (0, size)
        for part in problem.components
    ]
    # From the end to the last saved fraction, from there to the one before, … to 0.
    zero = tf.zeros([1], on_end.dtype)
    stops, jumps = zero, tf.zeros_like(on_end)[tf.newaxis]
    if problem.fractions is not None:
        order = tf.argsort(problem.fractions[:, 0], direction="DESCENDING")
        stops = tf.concat([tf.gather(problem.fractions[:, 0], order), zero], axis=0)
        jumps = tf.concat([tf.gather(on_saved, order), jumps], axis=0)

    def solve_piece(
        number: tf.Tensor, upper: tf.Tensor, state: tf.Tensor, *sums: tf.Tensor
    ) -> Any:
        piece = _Piece(problem, inputs, variables, upper, stops[number], sums)
        piece.method = effective_method(problem.method, steps, None)
        solved = integrate(
            piece.slope, state, problem.method, steps, components, sums=piece
        )
        y, on_y = tf.split(solved.end, 2, axis=1)
        state = tf.concat([y, on_y + jumps[number]], axis=1)
        return number + 1, stops[number], state, *solved.sums

    first = (
        tf.constant(0),
        tf.ones([], on_end.dtype),
        tf.concat([found.end, on_end], axis=1),
        *(tf.zeros_like(source) for source in (*inputs, *variables)),
    )
    if problem.fractions is None:
        _, _, state, *sums = solve_piece(*first)
    else:
        _, _, state, *sums = tf.while_loop(
            lambda number, *_: number < tf.size(stops), solve_piece, first
        )
    return state[:, size:], sums


class _Piece:
    """One piece of the way back, τ from `upper` to `lower`, and the integrals on it."""

    def __init__(
        self,
        problem: Problem,
        inputs: Sequence[tf.Tensor],
        variables: list[tf.Variable],
        upper: tf.Tensor,
        lower: tf.Tensor,
        zero: Any,
    ) -> None:
        self.problem, self.inputs, self.variables = problem, inputs, variables
        self.upper, self.length, self.zero = upper, upper - lower, zero
        self.method: Any = None

    def slope(self, sigma: tf.Tensor, state: tf.Tensor) -> tf.Tensor:
        """d(y, a)/dσ, σ = 0 at `upper` and 1 at `lower`."""
        y, a = tf.split(state, 2, axis=1)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(y)
            k = self.problem.slope(self.inputs)(self._tau(sigma), y)
        (pulled,) = gradient_of(tape, k, [y], a)
        return self.length * tf.concat([-k, pulled], axis=1)

    def add(self, sums: Any, omega: tf.Tensor, tried: Attempt) -> Any:
        """Adds ω Σᵢ bᵢ aᵢᵀ ∂slope/∂θ of a step: all stages are evaluated at once."""
        stages = [i for i, weight in enumerate(self.method.b) if weight]
        states = tf.concat([tried.points[i] for i in stages], axis=0)
        times = tf.concat([tried.times[i] for i in stages], axis=0)
        weights = tf.concat(
            [self.length * self.method.b[i] * omega for i in stages], axis=0
        )
        y, a = tf.split(states, 2, axis=1)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(self.variables)
            here = self.problem.watched(tape, self.inputs)
            k = self.problem.slope(here, len(stages))(self._tau(times), y)
        sources = [*here, *self.variables]
        found = gradient_of(tape, k, sources, weights[:, tf.newaxis] * a)
        return tuple(sum_ + one for sum_, one in zip(sums, found, strict=True))

    def _tau(self, sigma: tf.Tensor) -> tf.Tensor:
        return self.upper - self.length * sigma
