"""Law of the tails: finite values and gradients far from the data, both directions."""

import numpy as np
import tensorflow as tf

from tfp_flows.testing.probes.bijector_probe import BijectorProbe
from tfp_flows.testing.probes.tracing import Computation, value_and_gradients
from tfp_flows.testing.report import LawResult, judge

__all__ = ["tail_gradients"]

# All coordinates in one tail, then mixtures of tails and ordinary values.
_PATTERNS = 4
# A map that moves less than this part of the step is bounded in that direction.
_BOUNDED = 1e-3


def tail_gradients(probe: BijectorProbe) -> LawResult:
    """Values and gradients are finite where coordinates are ± `tail`.

    Forward is asked at such x, inverse at such y, for gradients with respect to the
    points and to the variables. A tail that the map cannot reach (softplus has no
    y < 0) is left out, coordinate by coordinate: the evidence is that the opposite
    direction is finite and flat over the last half of the way to ± `tail`.
    """
    faults, left_out = [], 0
    for direction, opposite in (("forward", "inverse"), ("inverse", "forward")):
        reachable = _reachable(probe, opposite)
        left_out += int(np.sum(~np.stack(reachable)))
        for point in _tail_points(probe, direction, *reachable):
            faults += _faults(probe, direction, point)
    failure = (
        f"Expected finite values and gradients at ±{probe.options.tail:g}; not finite: "
        f"{', '.join(dict.fromkeys(faults))}. Likely cause: tf.where around a branch "
        "that overflows, whose gradient 0 · inf is not a number (clamp the argument "
        "before the branch and select after it), or growth that leaves the dtype: "
        "then use a smaller tail, or exempt the law and say why. For values of the "
        "inverse: y may be out of the map's range."
    )
    remark = f"{left_out} tails are out of range" if left_out else ""
    return judge("tail_gradients", len(faults), 0, failure, remark)


def _faults(probe: BijectorProbe, direction: str, point: tf.Tensor) -> list[str]:
    variables = probe.subject.trainable_variables
    side = "x" if direction == "forward" else "y"
    labels = [*(f"variable {v.name}" for v in variables), side]
    inputs = dict(probe.computation.inputs)
    faults = []
    for name in (direction, f"{direction}_log_det"):
        computation = probe.computation.only(name)

        def at_tail(tail: tf.Tensor, of: Computation = computation) -> tf.Tensor:
            (value,) = of.evaluate(dict(inputs, **{side: tail})).values()
            return value

        value, gradients = value_and_gradients(at_tail, point, variables)
        found = {f"value of {name}": value}
        found |= {
            f"gradient of {name} for {label}": gradient
            for label, gradient in zip(labels, gradients, strict=True)
        }
        faults += [label for label, tensor in found.items() if not _is_finite(tensor)]
    return faults


def _tail_points(
    probe: BijectorProbe, direction: str, below: np.ndarray, above: np.ndarray
) -> list[tf.Tensor]:
    """Rows with coordinates moved to ± `tail`, where that side is reachable."""
    rows = (probe.x if direction == "forward" else probe.y).numpy()
    points = []
    for signs in _signs(rows.shape):
        moved = ((signs < 0) & below) | ((signs > 0) & above)
        point = np.where(moved, signs * probe.options.tail, rows)
        points.append(tf.constant(point.astype(rows.dtype)))
    return points


def _reachable(probe: BijectorProbe, direction: str) -> tuple[np.ndarray, np.ndarray]:
    """Whether the images of a direction reach far down and far up, by coordinate."""
    rows = (probe.x if direction == "forward" else probe.y).numpy()
    steps = []
    for signs in _signs(rows.shape):
        far, near = (
            _image(probe, direction, np.where(signs == 0, rows, signs * reach))
            for reach in (probe.options.tail, probe.options.tail / 2)
        )
        with np.errstate(invalid="ignore"):  # inf − inf counts as unknown
            steps.append(far - near)
    step = np.concatenate(steps)
    least = _BOUNDED * probe.options.tail / 2
    unknown = ~np.isfinite(step).all(axis=0)
    return unknown | (step < -least).any(axis=0), unknown | (step > least).any(axis=0)


def _image(probe: BijectorProbe, direction: str, points: np.ndarray) -> np.ndarray:
    side = "x" if direction == "forward" else "y"
    tensor = tf.constant(points, probe.x.dtype)
    inputs = dict(probe.computation.inputs, **{side: tensor})
    image = probe.computation.only(direction).evaluate(inputs)[direction]
    return image.numpy().astype(np.float64)


def _signs(shape: tuple[int, ...]) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    mixed = [rng.integers(-1, 2, shape) for _ in range(_PATTERNS - 2)]
    return [np.ones(shape, np.int64), -np.ones(shape, np.int64), *mixed]


def _is_finite(tensor: tf.Tensor | None) -> bool:
    return tensor is None or bool(np.isfinite(tensor.numpy()).all())
