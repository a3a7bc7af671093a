"""What a flow does to volumes, layer by layer, in numbers; and when it is too much.

Maximum likelihood pushes log|det J| up on the data, and only the base's term stops it.
A mean log-determinant near zero is no sign of a well-conditioned map, however: one
direction may be stretched as much as another is squeezed. So singular values are kept
beside log-determinants.
"""

import dataclasses
import math
from collections.abc import Sequence

__all__ = ["LayerVolume", "VolumeLimits", "VolumeReport", "raised_flags"]


@dataclasses.dataclass(frozen=True)
class LayerVolume:
    """One layer, data → base, on a batch of rows.

    Attributes:
        name: of the bijector.
        log_det: mean log|det J| over rows, nats per dimension of the event.
        log_det_min: the smallest of a row.
        log_det_max: the largest of a row.
        cumulative: sum of `log_det` up to and with this layer.
        largest: largest singular value of J over the rows.
        smallest: smallest singular value of J over the rows.
        is_trained: whether the layer has trainable variables.
    """

    name: str
    log_det: float
    log_det_min: float
    log_det_max: float
    cumulative: float
    largest: float
    smallest: float
    is_trained: bool


@dataclasses.dataclass(frozen=True)
class VolumeReport:
    """A flow on a batch of rows, direction data → base.

    The preprocessing that comes first and is not trained (standardizing, whitening, a
    logit) changes units; "the trained part" is all that follows it.

    Attributes:
        layers: every layer in the order in which data passes.
        mean_square: E‖z‖²/d; 1 where a flow with standard normal base has converged.
        max_abs: largest |z|.
        nll: negative log-likelihood of the rows, nats.
        imbalance: largest |cumulative log-det| per dimension within the trained part.
        largest: largest singular value of the trained part.
        smallest: smallest singular value of the trained part.
        round_trip: largest |h − f⁻¹(f(h))| of the trained part's input h in the dtype
            of the model, in standard deviations of h (absolute where it has none).
        flags: names of the limits that are broken, see `VolumeLimits`.
        step: of training, where a monitor measured.
        epoch: of training, counted from 1, where a monitor measured.
    """

    layers: tuple[LayerVolume, ...]
    mean_square: float
    max_abs: float
    nll: float
    imbalance: float
    largest: float
    smallest: float
    round_trip: float
    flags: tuple[str, ...] = ()
    step: int = 0
    epoch: int = 0

    @property
    def profile(self) -> tuple[float, ...]:
        """Cumulative log-det per dimension after each layer, nats."""
        return tuple(layer.cumulative for layer in self.layers)

    def scalars(self) -> dict[str, float]:
        """The numbers of the whole flow by name, as they are logged."""
        return {
            "volume_mean_square": self.mean_square,
            "volume_max_abs": self.max_abs,
            "volume_nll": self.nll,
            "volume_imbalance": self.imbalance,
            "volume_largest": self.largest,
            "volume_smallest": self.smallest,
            "volume_round_trip": self.round_trip,
            "volume_flags": float(len(self.flags)),
        }

    def __str__(self) -> str:
        width = max(len(layer.name) for layer in self.layers)
        lines = [f"{'layer':{width}}   log-det/d  cumulative    largest   smallest"]
        lines += [
            f"{layer.name:{width}}{layer.log_det:12.3f}{layer.cumulative:12.3f}"
            f"{layer.largest:11.3g}{layer.smallest:11.3g}"
            for layer in self.layers
        ]
        lines.append(
            f"E|z|²/d {self.mean_square:.3f}, singular values of the trained part "
            f"{self.smallest:.3g} … {self.largest:.3g}, round trip "
            f"{self.round_trip:.1e}, flags: {', '.join(self.flags) or 'none'}"
        )
        return "\n".join(lines)


@dataclasses.dataclass(frozen=True)
class VolumeLimits:
    """Where a flow's volume change becomes a reason for a flag.

    Attributes:
        largest: "expansion" above this singular value of the trained part. The
            default, 1e4, lets round-off of float32 grow to about 1e-3.
        smallest: "contraction" below this one, by which the inverse expands.
        imbalance: "imbalance" beyond this |cumulative log-det| per dimension, nats.
            The default, 7, is a little above log(256 √12) = 6.8: no linear direction
            of dequantized 8-bit data in [0, 1) needs more.
        floor: "above_floor" where the negative log-likelihood exceeds it, nats; None
            never. For instance `linear_flow_optimum(x).floor`.

    A number that is not finite is flagged as "not_finite", whatever the limits.
    """

    largest: float = 1e4
    smallest: float = 1e-4
    imbalance: float = 7.0
    floor: float | None = None

    def __post_init__(self) -> None:
        if not 0 < self.smallest < self.largest or not self.imbalance > 0:
            raise ValueError(
                "Expected 0 < smallest < largest and imbalance > 0, received "
                f"{self.smallest}, {self.largest} and {self.imbalance}."
            )


def raised_flags(
    report: VolumeReport, limits: VolumeLimits, *, is_warm: bool
) -> tuple[str, ...]:
    """Returns the names of the limits that a report breaks.

    Args:
        report: what was measured.
        limits: what is allowed.
        is_warm: whether training has gone on long enough for the floor to count.
    """
    numbers = _numbers(report)
    floor = limits.floor if is_warm and limits.floor is not None else math.inf
    broken = {
        "expansion": report.largest > limits.largest,
        "contraction": report.smallest < limits.smallest,
        "imbalance": report.imbalance > limits.imbalance,
        "above_floor": report.nll > floor,
        "not_finite": not all(math.isfinite(number) for number in numbers),
    }
    return tuple(name for name, is_broken in broken.items() if is_broken)


def _numbers(report: VolumeReport) -> Sequence[float]:
    values = list(report.scalars().values())
    for layer in report.layers:
        values += [layer.log_det, layer.largest, layer.smallest]
    return values
