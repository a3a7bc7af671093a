"""What a continuous layer is asked for along the way, and what it answers."""

import dataclasses
from collections.abc import Iterable
from typing import Any, NamedTuple

import tensorflow as tf

from tfp_flows.ode import Statistics

__all__ = ["Path", "PathOptions", "PathRecord"]


@dataclasses.dataclass(frozen=True)
class PathOptions:
    """What a step of training wants of a solve beside its end.

    Args:
        num_times: states at so many random times between the ends, and at the ends.
        kinetic_energy: ½ ∫ |v|² dt.
        jacobian_norm: ∫ |εᵀ ∂v/∂x|² dt with Rademacher ε.
        end_spread: b ≥ 0: the solve ends at a random time in T (1 ± b).
    """

    num_times: int = 0
    kinetic_energy: bool = False
    jacobian_norm: bool = False
    end_spread: float = 0.0

    @classmethod
    def joined(cls, options: Iterable["PathOptions"]) -> "PathOptions":
        """The least that gives what each of some asks for."""
        columns = zip(*map(dataclasses.astuple, [cls(), *options]), strict=True)
        return cls(*map(max, columns))


class Path(NamedTuple):
    """A solve from data to base.

    Attributes:
        statistics: calls, steps and outcome of each row.
        fractions: [J], where on the way; None unless times were asked for.
        states: [J, N, event...].
        kinetic_energy: [N], or None.
        jacobian_norm: [N], or None.
        log_det_error: [N], standard error of an estimated log-determinant, or None.
    """

    statistics: Statistics
    fractions: tf.Tensor | None = None
    states: Any = None
    kinetic_energy: tf.Tensor | None = None
    jacobian_norm: tf.Tensor | None = None
    log_det_error: tf.Tensor | None = None


class PathRecord:
    """Keeps the way of the latest solve of each layer that is told of it."""

    def __init__(self) -> None:
        self._paths: dict[int, Path] = {}

    def add(self, layer: Any, path: Path) -> None:
        """Called by a layer that has solved."""
        self._paths[id(layer)] = path

    def of(self, layers: Iterable[Any]) -> list[Path]:
        """Returns what was kept of some layers."""
        return [self._paths[id(layer)] for layer in layers]
