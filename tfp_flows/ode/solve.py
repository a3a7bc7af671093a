"""Initial value problems of a batch of rows."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from tfp_flows.ode.discrete_adjoint import DiscreteAdjoint
from tfp_flows.ode.layout import Layout
from tfp_flows.ode.methods import method_named
from tfp_flows.ode.problem import Gradient, Problem
from tfp_flows.ode.statistics import Statistics
from tfp_flows.ode.steps import AdaptiveSteps, Steps
from tfp_flows.ode.tableau import Tableau

__all__ = ["Solution", "Solver", "solve"]


@dataclasses.dataclass(frozen=True)
class Solver:
    """How to solve: three choices, each with a default that suits densities.

    Args:
        method: "tsit5", "dopri5", "bosh3", "heun", "rk4", "midpoint", "euler", or a
            `Tableau`. The last three take fixed steps only.
        steps: `AdaptiveSteps` or `FixedSteps`.
        gradient: `DiscreteAdjoint` or `ContinuousAdjoint`.
    """

    method: str | Tableau = "tsit5"
    steps: Steps = AdaptiveSteps()
    gradient: Gradient = DiscreteAdjoint()

    def __post_init__(self) -> None:
        tableau = method_named(self.method)
        if isinstance(self.steps, AdaptiveSteps) and tableau.error is None:
            raise ValueError(
                f"method {self.method!r} estimates no error, which AdaptiveSteps need: "
                "expected tsit5, dopri5, bosh3 or heun, or steps=FixedSteps(n)."
            )

    @property
    def finer(self) -> "Solver":
        """Twice the steps, or a tenth of the tolerance: the difference is the error."""
        steps = self.steps
        if isinstance(steps, AdaptiveSteps):
            rtol, atol = 0.1 * steps.rtol, 0.1 * steps.atol
            steps = dataclasses.replace(steps, rtol=rtol, atol=atol)
        else:
            steps = dataclasses.replace(steps, num_steps=2 * steps.num_steps)
        return dataclasses.replace(self, steps=steps)


class Solution(NamedTuple):
    """What a solve gives.

    Attributes:
        state: at the end, in the structure of the start; of a row that failed the
            last state that was reached.
        quadrature: integrals at the end, or None.
        saved: states at the fractions asked for, [J, B, ...] each, or None.
        statistics: calls, steps and outcome of each row.
    """

    state: Any
    quadrature: Any
    saved: Any
    statistics: Statistics


def solve(
    velocity: Callable[..., Any],
    state: Any,
    times: Sequence[Any] = (0.0, 1.0),
    *,
    constants: Any = None,
    quadrature: Any = None,
    save_at: Any = None,
    solver: Solver = Solver(),  # noqa: B008
) -> Solution:
    """Solves dy/dt = velocity(t, y) from t₀ to t₁, forwards or backwards.

        solve(lambda t, y: -y, tf.ones([4, 2])).state       # e⁻¹ in each entry

    Nothing raises inside a graph and nothing loops for ever: a row that cannot go on
    is marked in `statistics`, and the others do not notice. Gradients reach the state,
    the times, the constants, every variable and every tensor that the velocity reads.

    Args:
        velocity: velocity(t, y), or velocity(t, y, constants) with constants; with a
            quadrature it returns the pair (dy/dt, dq/dt). t broadcasts against the
            first tensor of the state: [B, 1, ...]. Each row must come from the same
            row alone.
        state: structure of [B, ...] tensors, float32 or float64.
        times: t₀ and t₁, each a scalar or [B].
        constants: structure of [B, ...] tensors that stay: a context, masks.
        quadrature: structure of [B, ...] tensors, the start of integrals along the
            way, such as running costs. Their errors choose no steps.
        save_at: [J], fractions of the way in [0, 1] at which the state is returned
            too, read off a polynomial within the steps: no more calls.
        solver: method, steps and gradient.

    Raises:
        ValueError: shapes, dtypes or structures do not fit; the message says which.
    """
    # () where nothing is: tf.nest would take None for a tensor.
    state, integrals, held = tf.nest.map_structure(
        tf.convert_to_tensor,
        (state, *(() if part is None else part for part in (quadrature, constants))),
    )
    layout = Layout(state, integrals)
    y = layout.pack(state, integrals)
    fractions = None if save_at is None else _as_fractions(save_at, y.dtype)
    rows = tf.zeros_like(y[:, 0])
    limits = [rows + _as_time(time, y.dtype) for time in times]
    problem = Problem(
        slope_of=_slope_builder(velocity, layout, held),
        times=limits,
        constants=[part for part in tf.nest.flatten(held) if part.dtype.is_floating],
        method=method_named(solver.method),
        steps=solver.steps,
        components=layout.components,
        fractions=fractions,
    )
    end, saved, statistics = solver.gradient(problem, y)
    final, integrals = layout.unpack(end)
    return Solution(
        state=final,
        quadrature=None if quadrature is None else integrals,
        saved=None if fractions is None else layout.unpack(saved)[0],
        statistics=statistics,
    )


def _as_fractions(save_at: Any, dtype: tf.DType) -> tf.Tensor:
    fractions = tf.convert_to_tensor(save_at, dtype)
    if fractions.shape.rank != 1:
        raise ValueError(
            f"save_at: expected fractions [J], received shape {fractions.shape}."
        )
    return tf.stop_gradient(fractions)[:, tf.newaxis]


def _slope_builder(
    velocity: Callable[..., Any], layout: Layout, held: Any
) -> Callable[..., Any]:
    """dy/dτ over the unit interval, of times and those constants that have gradients.

    The others are repeated where rows are: `held` are all of them as they came.
    """
    parts = tf.nest.flatten(held)

    def slope_of(
        times: Sequence[tf.Tensor], smooth: Sequence[tf.Tensor], repeats: int
    ) -> Any:
        start, end = times
        rest = iter(smooth)
        given = [
            next(rest)
            if part.dtype.is_floating
            else tf.concat([part] * repeats, axis=0)
            for part in parts
        ]
        extra = [tf.nest.pack_sequence_as(held, given)] if parts else []

        def slope(tau: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
            time = layout.time(start + tau * (end - start))
            found = velocity(time, layout.unpack(y)[0], *extra)
            return (end - start)[:, tf.newaxis] * layout.pack_slope(found)

        return slope

    return slope_of


def _as_time(time: Any, dtype: tf.DType) -> tf.Tensor:
    # A number of Python would become float32 first, and lose half of its digits.
    return tf.cast(time, dtype) if tf.is_tensor(time) else tf.constant(time, dtype)
