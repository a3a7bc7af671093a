"""What the curve, the scores and the ranks of a run say, and what to do about it."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from tfp_flows.diagnostics.calibration import uniformity
from tfp_flows.diagnostics.report.data import ReportData
from tfp_flows.diagnostics.two_samples import TwoSamples

__all__ = ["curve_finding", "fidelity_finding", "rank_finding", "score_finding"]

# Nats a row that a curve has to move by before it is said to move.
_VISIBLE = 0.02
# A value is a spike in a column whose rows repeat it this often, and this many times
# as often as its other values are repeated.
_SPIKE_SHARE, _SPIKE_RATIO, _MAX_SPIKES = 0.01, 5.0, 3
# Samples differ where a test lies this many of its null's errors above it.
_ERRORS = 3
_SMALLER = "fewer or narrower layers, another base, a mixture of flows, or more rows"


def curve_finding(report: ReportData) -> str:
    """Returns which epoch was kept, and what the curve asks for; "" without a curve."""
    curve = report.history.get("val_loss") or report.history.get("loss") or ()
    if report.best_epoch is None or not len(curve):
        return ""
    last = report.first_epoch + len(curve) - 1
    if report.best_epoch == 0:
        return (
            f"No epoch of {last} was better than the start, which was kept: a lower "
            f"learning rate, {_SMALLER} may gain on it."
        )
    text = f"The weights of epoch {report.best_epoch} of {last} were kept. "
    return text + _course(curve, report.best_epoch - report.first_epoch, report.unit)


def _course(curve: Sequence[float], best: int, unit: str) -> str:
    """Whether a curve rose again after its best place, still fell, or is level."""
    count = max(1, len(curve) // 5)
    rise, fall = curve[-1] - curve[best], curve[-1 - count] - curve[best]
    if rise > _VISIBLE:
        return (
            f"From there validation rose by {rise:.2f} {unit}, as where a flow learns "
            f"single rows: {_SMALLER} may help, more epochs will not."
        )
    if fall > _VISIBLE:
        epochs = "epoch" if count == 1 else f"{count} epochs"
        return (
            f"Validation fell by {fall:.2f} {unit} in the last {epochs}: more may help."
        )
    return "Validation is level: more epochs will not help, more rows may."


def score_finding(report: ReportData) -> str:
    """Returns how held-out rows score among samples, with a remedy if too low."""
    lowest = np.quantile(report.sample_scores, 0.01)
    share = float(np.mean(report.held_out_scores < lowest))
    text = (
        f"{share:.1%} of the held-out rows score lower than all but 1% of the model's "
        "own samples; 1% would be right. "
    )
    # Both the rows and the samples that the quantile is taken from are drawn.
    counts = 1 / len(report.held_out_scores) + 1 / len(report.sample_scores)
    if share > 0.01 + 2 * math.sqrt(0.01 * counts):
        return text + (
            "The model is too sharp: it finds too many rows surprising. Less training "
            f"(a shorter patience), {_SMALLER} make it less so."
        )
    return text + "Held-out rows far to the right mean that it spreads too wide."


def fidelity_finding(found: Mapping[str, TwoSamples]) -> str:
    """Returns what tells samples from real rows, and what to do about it."""
    wrong = [
        name
        for name, test in found.items()
        if test.statistic - test.null > _ERRORS * test.error
    ]
    told = [name for name in wrong if name != "copies"]
    text = (
        f"Samples differ from held-out rows in their {' and '.join(told)}, by more "
        f"than {_ERRORS} errors of real rows among themselves: look at the pictures "
        "above before samples take the place of data."
        if told
        else "By these tests samples cannot be told from held-out rows."
    )
    if "copies" in wrong:
        text += (
            " Too many samples lie next to a training row: the model repeats rows that "
            f"it has seen. Do not give its samples away; {_SMALLER} help."
        )
    return text


def rank_finding(report: ReportData) -> str:
    """Returns how many columns leave the band, and which values are to blame."""
    ranks, count = np.asarray(report.ranks), len(report.columns)
    summary = uniformity(ranks, shared_samples=report.shared_samples)
    worst = int(np.argmax(summary.deviation))
    return (
        f"Outside the 95% band of the deviation ({summary.deviation_band:.3f}): "
        f"{int(summary.outside.sum())} of {count} column{'s' * (count > 1)}; chance "
        f"alone gives about {0.05 * count:.1f}. Largest: {report.columns[worst]}, "
        f"{summary.deviation[worst]:.3f}. The deviation is printed beside each name. "
        "A hill means samples that spread too wide, a valley too narrow, a slope "
        f"shifted.{_spike_finding(report, np.flatnonzero(summary.outside))}"
    )


def _spike_finding(report: ReportData, columns: np.ndarray) -> str:
    """Names the spikes of columns; "" if there are none."""
    found = [(*_spike(report.held_out[:, index]), index) for index in columns]
    spikes = sorted((spike for spike in found if spike[0]), reverse=True)
    if not spikes:
        return ""
    named = ", ".join(
        f"{report.columns[index]} = {value:g} in {share:.1%} of the rows"
        for share, value, index in spikes[:_MAX_SPIKES]
    )
    return (
        f" A single high bar or a comb comes from values that rows repeat ({named}): "
        "a cap, a default, or coarse steps, which have no density. Model these rows "
        "apart, give the column as context, or leave it out."
    )


def _spike(column: np.ndarray) -> tuple[float, float]:
    """The share and place of the value that rows repeat most; 0, 0 if it is usual."""
    values, counts = np.unique(column, return_counts=True)
    most = int(np.argmax(counts))
    share = counts[most] / len(column)
    others = (len(column) - counts[most]) / max(1, len(values) - 1)
    if share < _SPIKE_SHARE or counts[most] < _SPIKE_RATIO * max(1.0, others):
        return 0.0, 0.0
    return float(share), float(values[most])
