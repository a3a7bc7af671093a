"""One object under test: how to make it and what it is fed."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

__all__ = ["Case", "parametrize", "variants"]


@dataclasses.dataclass(frozen=True)
class Case:
    """A constructor with everything that the laws need to know.

    Attributes:
        name: class or function under test, a suffix in brackets for a variant.
        make: builds a fresh object in float64.
        event_shape: shape of one event.
        context_size: features of the context, None without one.
        spread: scale of the points it is audited on.
        exempt: law → why it does not hold here. A law is one of the audit, or the name
            of a test after ``test_``.
        idle: name of a trainable variable → why nothing depends on it.
    """

    name: str
    make: Callable[[], Any]
    event_shape: tuple[int, ...] = (3,)
    context_size: int | None = None
    spread: float = 1.0
    exempt: dict[str, str] = dataclasses.field(default_factory=dict)
    idle: dict[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        for subject, reason in {**self.exempt, **self.idle}.items():
            if not reason.strip():
                raise ValueError(f"{self.name} is exempt from {subject!r}: say why.")

    @property
    def exported(self) -> str:
        """The exported name that the case is for."""
        return self.name.split("[")[0]

    def exempt_from(self, laws) -> dict[str, str]:
        """The exemptions from some laws, for the audit."""
        return {law: reason for law, reason in self.exempt.items() if law in laws}

    def points(self, rows: int = 6) -> np.ndarray:
        """[rows, event...] in float64."""
        rng = np.random.default_rng(7)
        return self.spread * rng.normal(size=(rows, *self.event_shape))

    def context(self, rows: int = 6) -> np.ndarray | None:
        """[rows, C] in float64, or None."""
        if self.context_size is None:
            return None
        return np.random.default_rng(8).normal(size=(rows, self.context_size))


def parametrize(cases, law=None, slow=()):
    """Arguments of `pytest.mark.parametrize` for a table of cases.

    A case that is exempt from `law` is skipped, and the run's summary says why; those
    in `slow` wait for the option of that name.
    """
    values = []
    for case in cases:
        marks = [pytest.mark.slow] if case in slow else []
        if law in case.exempt:
            marks.append(pytest.mark.skip(case.exempt[law]))
        values.append(pytest.param(case, id=case.name, marks=marks))
    return {"argnames": "case", "argvalues": values}


def variants(cases):
    """The cases of a name that an earlier case has."""
    names = [case.exported for case in cases]
    return [case for i, case in enumerate(cases) if names[i] in names[:i]]
