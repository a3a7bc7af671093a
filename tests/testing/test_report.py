"""Reports, exemptions, and the error that lists every failed law."""

import ast
import pathlib
import sys

import numpy as np
import pytest

import tfp_flows.testing
from tests.testing import broken
from tfp_flows.testing import (
    BIJECTOR_LAWS,
    AuditError,
    AuditReport,
    LawResult,
    check_bijector,
    check_distribution,
)

X = np.array([[0.5, -1.0], [2.0, 0.1]])


def test_error_lists_every_failed_law_and_keeps_the_report():
    with pytest.raises(AuditError) as caught:
        check_bijector(broken.WrongSign(), X, jit=False)
    message = str(caught.value)
    assert "2 of 12 laws failed for WrongSign" in message
    assert "- forward_log_det: Expected" in message
    assert "- inverse_log_det: Expected" in message
    assert "Measured error" in message
    assert caught.value.report.failed == ("forward_log_det", "inverse_log_det")


def test_error_is_an_assertion_error():
    assert issubclass(AuditError, AssertionError)


def test_table_has_one_line_for_each_law():
    report = check_bijector(broken.WrongInverse(), X, jit=False, raise_on_failure=False)
    lines = str(report).splitlines()
    assert lines[0] == "Audit of WrongInverse 'wronginverse', x: float64 [2, 2]"
    assert [line.split()[0] for line in lines[2:]] == list(BIJECTOR_LAWS)
    assert "FAILED" in lines[2]
    assert "the caller passed jit=False" in str(report)


def test_exempted_law_is_not_checked_and_keeps_its_reason():
    report = check_bijector(
        broken.WrongInverse(), X, jit=False, exempt={"round_trip": "known to be wrong"}
    )
    assert report.passed
    assert report["round_trip"].verdict == "not checked"
    assert report["round_trip"].message == "exempt: known to be wrong"


def test_exempted_law_does_not_count_after_a_weight_update():
    exempt = {"round_trip": "approximate", "inverse_log_det": "approximate"}
    report = check_bijector(broken.StaleInverse(), X, jit=False, exempt=exempt)
    assert report.passed


@pytest.mark.parametrize("check", [check_bijector, check_distribution])
def test_exemptions_need_a_known_law_and_a_reason(check):
    for exempt, words in (
        ({"xla": ""}, "a reason"),
        ({"xla": "  "}, "a reason"),
        ({"beauty": "no"}, "known laws"),
    ):
        with pytest.raises(ValueError, match=words):
            check(broken.Vector(), X, exempt=exempt)


def test_report_names_its_laws_when_asked_for_another():
    report = AuditReport("a thing", (LawResult("one", True),))
    with pytest.raises(KeyError, match="one of the laws one"):
        report["two"]


def test_audit_needs_only_tensorflow_tfp_and_numpy():
    allowed = {"tensorflow", "tensorflow_probability", "numpy"}
    allowed |= set(sys.stdlib_module_names)
    folder = pathlib.Path(tfp_flows.testing.__file__).parent
    for path in folder.rglob("*.py"):
        for name in _imported(ast.parse(path.read_text(encoding="utf-8"))):
            ours = name.startswith("tfp_flows.testing")
            assert ours or name.split(".")[0] in allowed, (path.name, name)


def _imported(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
