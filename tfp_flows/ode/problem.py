"""A solve with everything that a gradient can reach listed."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import tensorflow as tf

from tfp_flows.ode.attempt import Slope
from tfp_flows.ode.integrate import Integral, integrate
from tfp_flows.ode.statistics import Statistics
from tfp_flows.ode.steps import Steps
from tfp_flows.ode.tableau import Tableau

__all__ = ["Gradient", "Problem", "gradient_of", "with_gradient"]


class Problem(NamedTuple):
    """dy/dτ from τ = 0 to 1.

    Attributes:
        slope_of: slope_of(times, constants, repeats) → slope(τ, y), with what else it
            holds repeated so many times.
        times: t₀ and t₁, [B] each.
        constants: [B, ...] tensors that the velocity is given.
        method: the tableau.
        steps: how steps are chosen.
        components: columns of each component whose error counts.
        fractions: [J, 1] in [0, 1], where on the way y is returned too; or None.
        captured: tensors around it that the velocity reads.
    """

    slope_of: Callable[[Sequence[tf.Tensor], Sequence[tf.Tensor], int], Slope]
    times: list[tf.Tensor]
    constants: list[tf.Tensor]
    method: Tableau
    steps: Steps
    components: list[slice]
    fractions: tf.Tensor | None
    captured: Sequence[tf.Tensor] = ()

    @property
    def inputs(self) -> list[tf.Tensor]:
        """All that a gradient can reach but y and variables."""
        return [*self.times, *self.constants, *self.captured]

    def slope(self, inputs: Sequence[tf.Tensor], repeats: int = 1) -> Slope:
        """The slope at other `inputs`; captured tensors are read where they stand.

        Args:
            inputs: as `inputs`.
            repeats: of a function of so many times the rows, all rows one after the
                other.
        """
        count = 2 + len(self.constants)
        given = inputs[:count]
        if repeats > 1:
            given = [tf.concat([one] * repeats, axis=0) for one in given]
        return self.slope_of(given[:2], given[2:], repeats)

    def watched(self, tape: tf.GradientTape, inputs: Sequence[tf.Tensor]) -> list[Any]:
        """`inputs` as they stand in the graph that is being built, watched.

        The body of a loop is a graph of its own, where another tensor stands for one
        of the graph around it.
        """
        count = 2 + len(self.constants)
        here = [tf.identity(given) for given in inputs[:count]]
        here += [_captured_here(tensor) for tensor in self.captured]
        tape.watch(here)
        return here

    def integrate(
        self, y: tf.Tensor, inputs: Sequence[tf.Tensor], *, keep_record: bool = False
    ) -> Integral:
        """Solves, without a gradient of its own."""
        return integrate(
            self.slope(inputs),
            y,
            self.method,
            self.steps,
            self.components,
            self.fractions,
            keep_record=keep_record,
        )


class Gradient(Protocol):
    """A way for gradients to pass a solve."""

    def __call__(
        self, problem: Problem, y: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, Statistics]:
        """Returns y(1), y at the fractions, both with gradients, and statistics."""


def with_gradient(
    problem: Problem, y: tf.Tensor, walk_back: Callable[..., Any], *, keep_record: bool
) -> tuple[tf.Tensor, tf.Tensor, Statistics]:
    """Solves, with `walk_back` as the gradient of y(0), of inputs and of variables.

    Variables are found by TensorFlow; other tensors that the velocity reads by building
    it once.

    Args:
        problem: what to solve.
        y: [B, F].
        walk_back: walk_back(problem, integral, inputs, variables, on_end, on_saved) →
            gradients of y, and of inputs and variables.
        keep_record: whether `walk_back` needs the steps.
    """
    problem = problem._replace(captured=_captured(problem.slope(problem.inputs), y))

    @tf.custom_gradient
    def solve(y: tf.Tensor, *inputs: tf.Tensor) -> Any:
        found = problem.integrate(y, inputs, keep_record=keep_record)

        def gradient(*upstream: Any, variables: Any = ()) -> Any:
            variables = list(variables or ())
            on_y, sums = walk_back(problem, found, inputs, variables, *upstream[:2])
            on_inputs, on_variables = sums[: len(inputs)], sums[len(inputs) :]
            return (
                ([on_y, *on_inputs], on_variables)
                if variables
                else [
                    on_y,
                    *on_inputs,
                ]
            )

        return (found.end, found.saved, *found.statistics), gradient

    end, saved, *statistics = solve(y, *problem.inputs)
    return end, saved, Statistics(*statistics)


def gradient_of(
    tape: tf.GradientTape, targets: Any, sources: Any, upstream: Any
) -> list[tf.Tensor]:
    """Gradients as dense tensors, 0 where nothing depends."""
    zero = tf.UnconnectedGradients.ZERO
    found = tape.gradient(targets, sources, upstream, unconnected_gradients=zero)
    return [tf.convert_to_tensor(one) for one in found]


def _captured(slope: Slope, y: tf.Tensor) -> list[tf.Tensor]:
    specs = [tf.TensorSpec(y.shape[:1], y.dtype), tf.TensorSpec(y.shape, y.dtype)]
    graph = tf.function(slope, autograph=False).get_concrete_function(*specs)
    return [tensor for tensor in graph.captured_inputs if tensor.dtype.is_floating]


def _captured_here(tensor: tf.Tensor) -> tf.Tensor:
    if tf.executing_eagerly():
        return tensor
    graph = tf.compat.v1.get_default_graph()
    is_here = not isinstance(tensor, tf.__internal__.EagerTensor) and (
        tensor.graph is graph
    )
    return tensor if is_here else graph.capture(tensor)
