"""One object under test: how to make it and what it is fed."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["Case", "parametrize"]


@dataclasses.dataclass(frozen=True)
class Case:
    """A constructor with everything that the laws need to know.

    Attributes:
        name: class or function under test, a suffix in brackets for a variant.
        make: builds a fresh object in float64.
        event_shape: shape of one event.
        context_size: features of the context, None without one.
        spread: scale of the points it is audited on.
        exempt: law → reason, passed to the audit.
    """

    name: str
    make: Callable[[], Any]
    event_shape: tuple[int, ...] = (3,)
    context_size: int | None = None
    spread: float = 1.0
    exempt: dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def exported(self) -> str:
        """The exported name that the case is for."""
        return self.name.split("[")[0]

    def points(self, rows: int = 6) -> np.ndarray:
        """[rows, event...] in float64."""
        rng = np.random.default_rng(7)
        return self.spread * rng.normal(size=(rows, *self.event_shape))

    def context(self, rows: int = 6) -> np.ndarray | None:
        """[rows, C] in float64, or None."""
        if self.context_size is None:
            return None
        return np.random.default_rng(8).normal(size=(rows, self.context_size))


def parametrize(cases):
    """Arguments of `pytest.mark.parametrize` for a table of cases."""
    return {"argnames": "case", "argvalues": cases, "ids": [c.name for c in cases]}
