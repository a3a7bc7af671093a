"""Laws of bijectors and distributions alike: tracing, compiling, variables, updates."""

from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfp_flows.testing.numerics import relative_error
from tfp_flows.testing.probes.probe import Probe
from tfp_flows.testing.probes.tracing import (
    Computation,
    Values,
    part_without_jit,
    perturbed,
    used_variables,
    value_and_gradients,
)
from tfp_flows.testing.report import LawResult, is_invariant, judge, unchecked

__all__ = [
    "gradients",
    "graph",
    "values_of_dtype",
    "variables_tracked",
    "weight_update",
    "xla",
    "xla_refusal",
]

_NO_VARIABLES = "the object lists no trainable variables"


def graph(probe: Probe) -> LawResult:
    """Values inside `tf.function` equal the eager ones."""
    traced = probe.trace(probe.computation.inputs)
    worst, error = _worst(traced, probe.computation.eager())
    failure = (
        f"Expected tf.function and eager values to agree; {worst} differs. "
        "Likely cause: a value computed in Python at trace time, or a random number."
    )
    return judge("graph", error, probe.tolerance, failure)


def xla(probe: Probe) -> LawResult:
    """Values compiled by XLA (`jit_compile=True`) equal the eager ones."""
    refusal = xla_refusal(probe)
    if refusal:
        return unchecked("xla", refusal)
    computation = _deterministic(probe)
    compiled = computation.traced(jit=True)(computation.inputs)
    worst, error = _worst(compiled, computation.eager())
    failure = (
        f"Expected XLA and eager values to agree; {worst} differs. "
        "Likely cause: a numerically unstable formula that XLA fuses differently."
    )
    return judge("xla", error, probe.tolerance, failure)


def xla_refusal(probe: Probe) -> str:
    """Why XLA is not tried, empty if it is."""
    if not probe.options.jit:
        return "the caller passed jit=False"
    part = part_without_jit(probe.subject)
    return f"{part} declares supports_jit = False" if part else ""


def values_of_dtype(probe: Probe, expected: tf.DType, whose: str) -> LawResult:
    """Every value has a dtype: the law `dtypes` of both kinds."""
    values = probe.computation.eager()
    wrong = {n: v.dtype.name for n, v in values.items() if v.dtype != expected}
    failure = (
        f"Expected {expected.name}, the dtype of {whose}, for every value. "
        f"Received: {wrong}. Likely cause: a literal or a variable of fixed dtype."
    )
    return judge("dtypes", len(wrong), 0, failure)


def variables_tracked(probe: Probe) -> LawResult:
    """`trainable_variables` lists each trainable variable that is computed with."""
    listed = {variable.ref() for variable in probe.subject.trainable_variables}
    missing = [v for v in used_variables(probe.trace) if v.ref() not in listed]
    failure = (
        "Expected trainable_variables to list every variable that the values use; "
        f"missing: {_names(missing)}. An optimizer would leave them untrained and a "
        "checkpoint would lose them. Likely cause: a Keras network, or a variable in "
        "a closure, which tf.Module does not see; keep its tf.Variables (for Keras, "
        "`[v.value for v in network.variables]`) in an attribute of the object."
    )
    return judge("variables_tracked", len(missing), 0, failure)


def gradients(probe: Probe) -> LawResult:
    """Each trainable variable receives a finite gradient from the likelihood."""
    variables = probe.subject.trainable_variables
    if not variables:
        return unchecked("gradients", _NO_VARIABLES)
    _, found = value_and_gradients(_loss(probe), probe.computation.inputs, variables)
    used = {variable.ref() for variable in used_variables(probe.trace)}
    faults = _gradient_faults(variables, found[: len(variables)], used)
    failure = (
        f"Expected a finite gradient of {' + '.join(probe.loss_names)} for each "
        f"trainable variable; {'; '.join(faults)}. Likely cause: a value taken out of "
        "the variable at construction, an operation without gradient, or an unused "
        "variable; for infinities, a singular derivative."
    )
    remark = f"{len(variables)} variables"
    return judge("gradients", len(faults), 0, failure, remark)


def weight_update(probe: Probe) -> LawResult:
    """After a change of the weights, all values are the new ones and still lawful.

    The weights are perturbed and restored. The eager value, a function traced before
    the change and one traced after it must agree, something must have changed, and
    the object's invariants that held before must still hold.
    """
    variables = [v for v in probe.subject.trainable_variables if v.dtype.is_floating]
    if not variables:
        return unchecked("weight_update", _NO_VARIABLES)
    before = _arrays(probe.trace(probe.computation.inputs))
    invariants = _lawful(probe)
    with perturbed(variables):
        updated = probe.refreshed()
        inputs = updated.computation.inputs
        reference = updated.computation.traced()(inputs)
        eager, eager_error = _worst(updated.computation.eager(), reference)
        old, old_error = _worst(probe.trace(inputs), reference)
        broken = sorted(invariants - _lawful(updated))
        changed = _worst(before, reference)[1] > 0
    return _update_result(
        probe, {f"eager {eager}": eager_error, f"traced {old}": old_error}, broken,
        changed,
    )  # fmt: skip


def _update_result(
    probe: Probe, errors: Mapping[str, float], broken: Sequence[str], changed: bool
) -> LawResult:
    worst = max(errors, key=lambda name: errors[name])
    error = errors[worst]
    found = f"{worst} differs from a new trace"
    if broken:
        error, found = np.inf, f"{', '.join(broken)} no longer holds"
    elif not changed:
        error, found = np.inf, "no value changed"
    failure = (
        f"Expected new values from new weights; {found}. Likely cause: a value "
        "derived from a variable is kept in Python (computed at construction or "
        "stored at the first call) instead of being computed in each call."
    )
    return judge("weight_update", error, probe.tolerance, failure)


def _lawful(probe: Probe) -> set[str]:
    """Names of the invariants that hold."""
    return {
        name
        for name, law in probe.options.laws.items()
        if is_invariant(law) and not probe.options.reason(name) and law(probe).passed
    }


def _loss(probe: Probe) -> Callable[[Any], tf.Tensor]:
    computation = probe.computation.only(*probe.loss_names)

    def total(inputs: Any) -> tf.Tensor:
        values = [tf.reduce_sum(v) for v in computation.evaluate(inputs).values()]
        return tf.add_n([tf.cast(value, values[0].dtype) for value in values])

    return total


def _deterministic(probe: Probe) -> Computation:
    # XLA may draw other random numbers than TensorFlow for the same seed.
    names = [name for name in probe.computation.functions if name != "sample"]
    return probe.computation.only(*names)


def _gradient_faults(
    variables: Sequence[tf.Variable],
    found: Sequence[tf.Tensor | None],
    used: Container[Any],
) -> list[str]:
    faults = []
    for variable, gradient in zip(variables, found, strict=True):
        if gradient is None:
            state = "reads it" if variable.ref() in used else "is not using it at all"
            faults.append(f"{variable.name} has none (the computation {state})")
        elif not np.isfinite(gradient.numpy()).all():
            faults.append(f"{variable.name} has one that is not finite")
    return faults


def _worst(actual: Values, expected: Values) -> tuple[str, float]:
    errors = {
        name: relative_error(value, expected[name])
        for name, value in _arrays(actual).items()
    }
    worst = max(errors, key=lambda name: errors[name])
    return worst, errors[worst]


def _arrays(values: Values) -> dict[str, np.ndarray]:
    return {name: np.asarray(value) for name, value in values.items()}


def _names(variables: Sequence[tf.Variable]) -> str:
    return ", ".join(f"{v.name} {tuple(v.shape)}" for v in variables)
