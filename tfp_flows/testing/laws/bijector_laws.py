"""Laws of values: y = f(x), x = f⁻¹(y) and log|det ∂y/∂x|, with TFP's cache broken."""

import numpy as np
import tensorflow as tf

from tfp_flows.testing.laws.computation_laws import values_of_dtype
from tfp_flows.testing.numerics import log_abs_det, relative_error
from tfp_flows.testing.probes.bijector_probe import BijectorProbe
from tfp_flows.testing.report import LawResult, invariant, judge, unchecked

__all__ = [
    "batch_shapes",
    "dtypes",
    "forward_log_det",
    "inverse_log_det",
    "log_dets_cancel",
    "round_trip",
]

_BATCH_SHAPES = ((), (1,), (2, 3))
_ROWS = 6


@invariant
def round_trip(probe: BijectorProbe) -> LawResult:
    """f⁻¹(f(x)) = x and f(f⁻¹(y)) = y.

    TFP answers `inverse(forward(x))` from its cache, without calling the inverse;
    here every call receives a tensor of its own.
    """
    first = probe.computation.eager()
    inputs = dict(probe.computation.inputs, x=first["inverse"], y=first["forward"])
    second = probe.computation.evaluate(inputs)
    errors = {
        "inverse(forward(x)) = x": relative_error(second["inverse"], probe.x),
        "forward(inverse(y)) = y": relative_error(second["forward"], probe.y),
    }
    worst = max(errors, key=lambda name: errors[name])
    failure = (
        f"Expected {worst}. Likely cause: a wrong inverse, which TFP's cache hides "
        "when the very tensor that forward returned is inverted; otherwise an "
        "ill-conditioned map, then use float64 or state a tolerance."
    )
    return judge("round_trip", errors[worst], probe.tolerance, failure)


@invariant
def forward_log_det(probe: BijectorProbe) -> LawResult:
    """`forward_log_det_jacobian(x)` is log|det| of the autodiff Jacobian of forward."""
    return _log_det(probe, "forward")


@invariant
def inverse_log_det(probe: BijectorProbe) -> LawResult:
    """`inverse_log_det_jacobian(y)` is log|det| of the autodiff Jacobian of inverse."""
    return _log_det(probe, "inverse")


def log_dets_cancel(probe: BijectorProbe) -> LawResult:
    """The log-dets of f at x and of f⁻¹ at f(x) add up to zero."""
    first = probe.computation.only("forward", "forward_log_det").eager()
    inputs = dict(probe.computation.inputs, y=first["forward"])
    inverse = probe.computation.only("inverse_log_det").evaluate(inputs)
    forward = first["forward_log_det"].numpy()
    error = relative_error(-inverse["inverse_log_det"].numpy(), forward)
    failure = (
        "Expected inverse_log_det_jacobian(forward(x)) = "
        "-forward_log_det_jacobian(x). Likely cause: one of the two has the wrong "
        "sign, or is evaluated at the wrong side's point."
    )
    return judge("log_dets_cancel", error, probe.tolerance, failure)


def batch_shapes(probe: BijectorProbe) -> LawResult:
    """Batch shapes (), (1,) and (2, 3) give the same values as one batch of rows."""
    indices = np.arange(_ROWS) % len(probe.x)
    rows = _values_at(probe, indices, (_ROWS,))
    errors = {}
    for shape in _BATCH_SHAPES:
        size = int(np.prod(shape))
        for name, value in _values_at(probe, indices[:size], shape).items():
            expected = rows[name][:size].reshape(shape + rows[name].shape[1:])
            errors[f"{name} for batch shape {shape}"] = relative_error(value, expected)
    worst = max(errors, key=lambda name: errors[name])
    failure = (
        "Expected each row's value to depend on that row alone; "
        f"{worst} differs from the same rows in a batch of {_ROWS}. Likely cause: a "
        "reduction over a batch axis, a fixed axis number counted from the left, or "
        "batch statistics."
    )
    return judge("batch_shapes", errors[worst], probe.tolerance, failure)


def dtypes(probe: BijectorProbe) -> LawResult:
    """Every value has the dtype of x."""
    return values_of_dtype(probe, probe.x.dtype, "x")


def _values_at(
    probe: BijectorProbe, indices: np.ndarray, batch_shape: tuple[int, ...]
) -> dict[str, np.ndarray]:
    x, y = (
        tf.reshape(tf.gather(rows, indices), [*batch_shape, *rows.shape[1:]])
        for rows in (probe.x, probe.y)
    )
    values = probe.at(x, y, probe.kwargs.take(indices, batch_shape)).eager()
    return {name: value.numpy() for name, value in values.items()}


def _log_det(probe: BijectorProbe, direction: str) -> LawResult:
    name = f"{direction}_log_det"
    if not probe.is_square:
        return unchecked(
            name,
            f"events of x {tuple(probe.x.shape[1:])} and y {tuple(probe.y.shape[1:])} "
            "differ in size, so that the Jacobian has no determinant",
        )
    expected = log_abs_det(probe.jacobian(direction))
    found = probe.computation.only(name).eager()[name].numpy()[: len(expected)]
    error = relative_error(found, expected)
    failure = (
        f"Expected {direction}_log_det_jacobian to equal log|det| of the autodiff "
        f"Jacobian, {expected[0]:.6g} in the first row. Received: {found[0]:.6g}. "
        f"Likely cause: {_log_det_cause(found, expected, probe.tolerance)}."
    )
    return judge(name, error, probe.tolerance, failure)


def _log_det_cause(found: np.ndarray, expected: np.ndarray, tolerance: float) -> str:
    if relative_error(-found, expected) <= tolerance:
        return "the sign is reversed"
    offset = found - expected
    if len(offset) > 1 and np.ptp(offset) <= tolerance:
        return f"a constant is missing, every row is off by {offset[0]:.6g}"
    return (
        "a term is missing, or the sum runs over the wrong axes (if the map is an "
        "iteration without gradient, the autodiff side is at fault)"
    )
