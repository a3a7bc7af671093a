"""Results of an audit: one record a law, a table, and the error that lists failures."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = [
    "AuditError",
    "AuditReport",
    "Law",
    "LawResult",
    "invariant",
    "is_invariant",
    "judge",
    "unchecked",
]


@dataclass(frozen=True)
class LawResult:
    """What one law found.

    Args:
        name: the law.
        passed: False only for a violated law.
        error: the measured deviation, `nan` where the law has no number.
        tolerance: the largest `error` that passes.
        message: for a failure, what was expected, what was measured and the likely
            cause; otherwise a remark or the reason why the law was not checked.
        checked: False where the law was exempted or does not apply.
    """

    name: str
    passed: bool
    error: float = math.nan
    tolerance: float = math.nan
    message: str = ""
    checked: bool = True

    @property
    def verdict(self) -> str:
        """One of "ok", "FAILED" and "not checked"."""
        if not self.checked:
            return "not checked"
        return "ok" if self.passed else "FAILED"


Law = Callable[[Any], LawResult]
"""What an audit asks of a probe."""


@dataclass(frozen=True)
class AuditReport:
    """All results of one audit; `str(report)` is a table.

    Args:
        subject: the audited object in words.
        results: one result for each law, in the order of the laws.
    """

    subject: str
    results: tuple[LawResult, ...]

    @property
    def passed(self) -> bool:
        """True if no law failed."""
        return not self.failed

    @property
    def failed(self) -> tuple[str, ...]:
        """Names of the violated laws."""
        return tuple(result.name for result in self.results if not result.passed)

    @property
    def not_checked(self) -> tuple[str, ...]:
        """Names of the laws that were exempted or do not apply."""
        return tuple(result.name for result in self.results if not result.checked)

    def __getitem__(self, name: str) -> LawResult:
        for result in self.results:
            if result.name == name:
                return result
        known = ", ".join(result.name for result in self.results)
        raise KeyError(f"Expected one of the laws {known}. Received: {name!r}.")

    def __str__(self) -> str:
        rows = [_cells(result) for result in self.results]
        header = ("law", "verdict", "error", "tolerance", "remark")
        widths = [max(len(row[i]) for row in [header, *rows]) for i in range(4)]
        lines = [_line(row, widths) for row in [header, *rows]]
        return "\n".join([f"Audit of {self.subject}", *lines])


class AuditError(AssertionError):
    """Raised when laws are violated; names each one and what to look at.

    Args:
        report: the whole report, kept as the attribute `report`.
    """

    def __init__(self, report: AuditReport) -> None:
        self.report = report
        lines = [
            f"{len(report.failed)} of {len(report.results)} laws failed for "
            f"{report.subject}:"
        ]
        lines += [f"- {name}: {report[name].message}" for name in report.failed]
        super().__init__("\n".join(lines))


def judge(
    name: str, error: float, tolerance: float, failure: str, remark: str = ""
) -> LawResult:
    """Compares an error with its tolerance; a `nan` error fails."""
    passed = bool(error <= tolerance)
    measured = f"{failure} Measured error {error:.3g}, tolerance {tolerance:.3g}."
    message = remark if passed else measured
    return LawResult(name, passed, float(error), float(tolerance), message)


def unchecked(name: str, reason: str) -> LawResult:
    """A law that was not checked, and why."""
    return LawResult(name, True, message=reason, checked=False)


def invariant(law: Law) -> Law:
    """Marks a law that must hold again after a change of the weights."""
    law.__dict__["is_invariant"] = True
    return law


def is_invariant(law: Law) -> bool:
    """Whether a law is marked by `invariant`."""
    return getattr(law, "is_invariant", False)


def _cells(result: LawResult) -> tuple[str, ...]:
    numbers = ["" if math.isnan(v) else f"{v:.1e}" for v in _numbers(result)]
    return (result.name, result.verdict, *numbers, result.message)


def _numbers(result: LawResult) -> tuple[float, float]:
    return result.error, result.tolerance


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
    return "  ".join([*cells, row[-1]]).rstrip()
