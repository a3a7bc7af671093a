"""Samples beside real rows: right ones pass, each fault is found by its own test."""

import numpy as np
import pytest

from tfp_flows.diagnostics import compare_samples
from tfp_flows.diagnostics.fidelity import copies
from tfp_flows.diagnostics.report.findings import fidelity_finding

RNG = np.random.default_rng(0)
MIXING = np.array([[1.0, 0.8, 0.0], [0.0, 0.6, 0.0], [0.0, 0.0, 5.0]])


def rows(count):
    return RNG.normal(size=[count, 3]) @ MIXING


TRAINING, DATA, RIGHT = rows(3_000), rows(1_000), rows(1_500)


def excess(found):
    return {name: (t.statistic - t.null) / t.error for name, t in found.items()}


def test_right_samples_pass_all():
    found = compare_samples(DATA, RIGHT, TRAINING)
    assert list(found) == ["rows", "columns", "correlations", "copies"]
    assert max(excess(found).values()) < 3
    assert fidelity_finding(found).startswith("By these tests samples cannot be told")


def test_a_column_that_never_changes_counts_in_its_own_unit():
    still = [np.column_stack([x, np.zeros(len(x))]) for x in (DATA, RIGHT, TRAINING)]
    still[1][0, -1] = 1e-3
    found = excess(compare_samples(*still))
    assert max(found[name] for name in ("rows", "columns", "copies")) < 3


def test_a_stretched_column_is_found():
    found = excess(compare_samples(DATA, RIGHT * [1.0, 1.0, 1.5], TRAINING))
    assert found["columns"] > 3
    assert abs(found["correlations"]) < 3


def test_lost_correlations_are_found():
    lost = np.stack([RNG.permutation(column) for column in RIGHT.T], axis=1)
    found = compare_samples(DATA, lost, TRAINING)
    assert excess(found)["correlations"] > 3
    assert abs(excess(found)["columns"]) < 3
    assert "rows and correlations" in fidelity_finding(found)


def test_copies_are_found_where_all_else_is_right():
    near = TRAINING[:1_500] + 1e-3 * RNG.normal(size=[1_500, 3])
    near[300:] = RIGHT[300:]
    found = compare_samples(DATA, near, TRAINING)
    assert excess(found)["copies"] > 3
    assert max(excess(found)[name] for name in ("rows", "columns")) < 3
    assert "repeats rows that it has seen" in fidelity_finding(found)


def test_data_that_repeat_themselves_are_no_reason_for_alarm():
    coarse = [np.rint(x / 2) for x in (TRAINING, DATA, RIGHT)]
    assert abs(excess({"copies": copies(*coarse)})["copies"]) < 3


def test_the_largest_deviation_is_kolmogorovs():
    scipy_stats = pytest.importorskip("scipy.stats")
    from tfp_flows.diagnostics.fidelity import _kolmogorov

    first, second = DATA[:, 0], RIGHT[:, 1]
    expected = scipy_stats.ks_2samp(first, second).statistic
    assert _kolmogorov(first, second) == pytest.approx(expected, abs=1e-12)
