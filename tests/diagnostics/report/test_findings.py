"""What a report says follows its numbers."""

import dataclasses

import numpy as np
import pytest

from tests.diagnostics.report.test_report import report_data
from tfp_flows.diagnostics import column_ranks
from tfp_flows.diagnostics.report.findings import (
    curve_finding,
    rank_finding,
    score_finding,
)


@pytest.mark.parametrize(
    ("curve", "best", "words"),
    [
        ([5.0, 4.0, 3.0, 3.5, 4.0], 2, "validation rose by 1.00 nats"),
        ([5.0, 4.0, 3.0, 2.0, 1.0], 4, "fell by 1.00 nats in the last epoch: more may"),
        ([5.0, 4.0, 3.0, 3.0, 3.001], 2, "level: more epochs will not help"),
        ([2.0, 4.0, 3.0, 3.0, 3.0], 0, "No epoch of 4 was better than the start"),
    ],
)
def test_advice_follows_the_curve(curve, best, words):
    report = dataclasses.replace(
        report_data(["a", "b"]),
        history={"loss": curve, "val_loss": curve},
        best_epoch=best,
        first_epoch=0,
    )
    assert words in curve_finding(report)


def test_a_mixture_has_no_best_epoch_to_speak_of():
    assert curve_finding(dataclasses.replace(report_data("ab"), best_epoch=None)) == ""


def test_a_sharp_model_is_told_what_to_do():
    report = report_data(["a", "b"])
    lower = dataclasses.replace(report, held_out_scores=report.held_out_scores - 2)
    assert "too sharp" in score_finding(lower)
    assert "too sharp" not in score_finding(report)


def test_a_spike_is_named_with_its_share():
    report = report_data(["a", "b"])
    rows, samples = report.held_out.copy(), report.samples
    rows[:40, 1] = 2.5
    report = dataclasses.replace(
        report, held_out=rows, ranks=column_ranks(rows, samples), shared_samples=90
    )
    assert "(b = 2.5 in 50.0% of the rows)" in rank_finding(report)


def test_coarse_columns_within_the_band_are_not_blamed():
    rng = np.random.default_rng(0)
    coarse = [rng.integers(0, 9, [n, 2]).astype(float) for n in (80, 90)]
    report = report_data(["a", "b"], ranks=column_ranks(*coarse), shared_samples=90)
    report = dataclasses.replace(report, held_out=coarse[0])
    assert "rows repeat" not in rank_finding(report)
