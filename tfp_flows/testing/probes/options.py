"""What the caller of an audit chose, checked once and passed whole."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import tensorflow as tf
from tensorflow_probability import bijectors as tfb

from tfp_flows.testing.numerics import default_tolerance
from tfp_flows.testing.report import Law

__all__ = ["Options"]


@dataclass(frozen=True)
class Options:
    """The laws of an audit and the arguments of its entry point, which explains them.

    Raises:
        ValueError: an exempted law is unknown, or its reason is empty.
    """

    laws: Mapping[str, Law] = field(default_factory=dict)
    exempt: Mapping[str, str] | None = None
    kwargs: Mapping[str, Any] | None = None
    tolerance: float | None = None
    jit: bool = True
    # Of a bijector.
    y: Any = None
    event_ndims: int | None = None
    tail: float = 1e4
    # Of a distribution.
    support: tfb.Bijector | None = None
    num_samples: int = 10_000
    seed: int = 0

    def __post_init__(self) -> None:
        for name, reason in (self.exempt or {}).items():
            if name not in self.laws:
                raise ValueError(
                    "Expected exemptions for known laws: "
                    f"{', '.join(self.laws)}. Received: exempt={{{name!r}: ...}}. "
                    "Correct the name."
                )
            if not isinstance(reason, str) or not reason.strip():
                raise ValueError(
                    f"Expected a reason for the exemption from {name!r}. Received: "
                    f"{reason!r}. Say why the law cannot hold for this object."
                )

    def reason(self, name: str) -> str | None:
        """Why a law is exempted, None if it is not."""
        return (self.exempt or {}).get(name)

    def tolerance_in(self, dtype: tf.DType) -> float:
        """The chosen tolerance, or the default of the dtype, which must be floating."""
        round_off = default_tolerance(dtype)
        return round_off if self.tolerance is None else self.tolerance
