"""Results of an audit: one record a law, a table, and the error that lists failures."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = [
    "AuditError",
    "AuditReport",
    "LawResult",
    "judge",
    "run_laws",
    "unchecked",
    "validate_exemptions",
]


@dataclass(frozen=True)
class LawResult:
    """What one law found.

    Args:
        name: The law.
        passed: False only for a violated law.
        error: The measured deviation, `nan` where the law has no number.
        tolerance: The largest `error` that passes.
        message: For a failure, what was expected, what was measured and the likely
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


@dataclass(frozen=True)
class AuditReport:
    """All results of one audit; `str(report)` is a table.

    Args:
        subject: The audited object in words.
        results: One result for each law, in the order of the laws.
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
        report: The whole report, kept as the attribute `report`.
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


def validate_exemptions(
    exempt: Mapping[str, str] | None, laws: Mapping[str, Any]
) -> Mapping[str, str]:
    """Refuses unknown laws and exemptions without a reason.

    Args:
        exempt: Reasons by law name.
        laws: The known laws by name.

    Returns:
        The exemptions, empty for None.
    """
    exempt = {} if exempt is None else exempt
    for name, reason in exempt.items():
        if name not in laws:
            raise ValueError(
                f"Expected exemptions for known laws: {', '.join(laws)}. "
                f"Received: exempt={{{name!r}: ...}}. Correct the name."
            )
        if not isinstance(reason, str) or not reason.strip():
            raise ValueError(
                f"Expected a reason for the exemption from {name!r}. "
                f"Received: {reason!r}. Say why the law cannot hold for this object."
            )
    return exempt


def run_laws(
    subject: str,
    laws: Mapping[str, Callable[[Any], LawResult]],
    probe: Any,
    exempt: Mapping[str, str],
) -> AuditReport:
    """Checks each law that is not exempted.

    Args:
        subject: The audited object in words.
        laws: Law functions by name.
        probe: What the law functions receive.
        exempt: Reasons by law name.

    Returns:
        The report, in the order of `laws`.
    """
    results = [
        unchecked(name, f"exempt: {exempt[name]}")
        if name in exempt
        else _run(name, law, probe)
        for name, law in laws.items()
    ]
    return AuditReport(subject, tuple(results))


def _run(name: str, law: Callable[[Any], LawResult], probe: Any) -> LawResult:
    try:
        return law(probe)
    # The audited code may raise anything, and the other laws must still be run.
    except Exception as error:
        first_lines = " ".join(str(error).split())[:400]
        message = (
            "Expected the computation to run. "
            f"Received {type(error).__name__}: {first_lines}"
        )
        return LawResult(name, False, math.inf, math.nan, message)


def _cells(result: LawResult) -> tuple[str, ...]:
    numbers = ["" if math.isnan(v) else f"{v:.1e}" for v in _numbers(result)]
    return (result.name, result.verdict, *numbers, result.message)


def _numbers(result: LawResult) -> tuple[float, float]:
    return result.error, result.tolerance


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
    return "  ".join([*cells, row[-1]]).rstrip()
