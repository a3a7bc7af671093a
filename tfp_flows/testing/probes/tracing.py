"""Running a computation eagerly, traced and compiled; its variables and gradients."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

__all__ = [
    "Computation",
    "fresh",
    "part_without_jit",
    "perturbed",
    "used_variables",
    "value_and_gradients",
]

Values = dict[str, tf.Tensor]


@dataclass(frozen=True)
class Computation:
    """Named functions of one structure of inputs.

    TFP caches by the identity of tensors, so that each function receives tensors
    of its own: one function never sees what another one has left in the cache.

    Args:
        functions: name → function of the inputs that returns a tensor.
        inputs: a structure of tensors and other values.
    """

    functions: Mapping[str, Callable[[Any], tf.Tensor]]
    inputs: Any

    def only(self, *names: str) -> "Computation":
        """The same computation restricted to some of its functions."""
        return Computation({name: self.functions[name] for name in names}, self.inputs)

    def evaluate(self, inputs: Any) -> Values:
        """Calls each function on fresh copies of `inputs`."""
        return {name: f(fresh(inputs)) for name, f in self.functions.items()}

    def traced(self, *, jit: bool = False) -> Any:
        """`evaluate` traced anew for inputs like these, with XLA if `jit`."""
        function = tf.function(self.evaluate, jit_compile=jit, autograph=False)
        return function.get_concrete_function(self.inputs)

    def eager(self) -> Values:
        """The values at `inputs`, computed eagerly."""
        return self.evaluate(self.inputs)


def fresh(structure: Any) -> Any:
    """Copies each tensor of a structure, so that no cache knows it."""
    return tf.nest.map_structure(
        lambda leaf: tf.identity(leaf) if tf.is_tensor(leaf) else leaf, structure
    )


def used_variables(trace: Any) -> list[tf.Variable]:
    """Trainable variables that a traced computation reads."""
    return [variable for variable in trace.graph.variables if variable.trainable]


def value_and_gradients(
    function: Callable[[Any], tf.Tensor], inputs: Any, variables: Sequence[tf.Variable]
) -> tuple[tf.Tensor, list[tf.Tensor | None]]:
    """A value and its gradients with respect to x and variables.

    Args:
        function: maps inputs to a tensor, which is summed.
        inputs: a structure of tensors.
        variables: what to differentiate by, besides the floating tensors of `inputs`.

    Returns:
        The value, and one gradient for each variable followed by one for each
        floating tensor in `inputs`; None where nothing connects them.
    """
    inputs = fresh(inputs)
    tensors = [leaf for leaf in tf.nest.flatten(inputs) if _is_floating(leaf)]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        value = function(inputs)
        total = tf.reduce_sum(value)
    gradients = tape.gradient(total, [*variables, *tensors])
    return value, [None if g is None else tf.convert_to_tensor(g) for g in gradients]


@contextmanager
def perturbed(variables: Sequence[tf.Variable]) -> Iterator[None]:
    """Changes each variable by up to 5 % inside the block and restores it after.

    Entries that are zero move by up to 0.05, so that networks with a zero start
    move too; signs never change, so that a scale stays positive.

    Args:
        variables: floating variables.
    """
    old = [variable.numpy() for variable in variables]
    rng = np.random.default_rng(0)
    try:
        for variable, value in zip(variables, old, strict=True):
            step = 0.05 * rng.uniform(-1, 1, value.shape)
            variable.assign(np.where(value == 0, step, value * (1 + step)))
        yield
    finally:
        for variable, value in zip(variables, old, strict=True):
            variable.assign(value)


def part_without_jit(subject: tf.Module) -> str | None:
    """Class name of the first part that declares `supports_jit = False`."""
    for part in (subject, *subject.submodules):
        if not getattr(part, "supports_jit", True):
            return type(part).__name__
    return None


def _is_floating(leaf: Any) -> bool:
    return tf.is_tensor(leaf) and leaf.dtype.is_floating
