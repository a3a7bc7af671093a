"""Judging a fitted density: yardsticks, calibration, pictures and a report.

Works on numpy arrays. `tfp_flows.diagnostics.plots` needs matplotlib and is loaded
when a report is written or by its own import; what watches a flow in training
(`VolumeMonitor`, `measure_volume`) needs TensorFlow and is loaded on first access.
"""

import importlib
from typing import Any

from tfp_flows.diagnostics.calibration import (
    Uniformity,
    column_ranks,
    conditional_ranks,
    p_values,
    rank_band,
    uniformity,
)
from tfp_flows.diagnostics.classes import ClassShares, class_shares
from tfp_flows.diagnostics.comparison import Result, compare_scores
from tfp_flows.diagnostics.fidelity import compare_samples
from tfp_flows.diagnostics.forecasts import (
    Coverage,
    crps,
    interval_coverage,
    variogram_score,
)
from tfp_flows.diagnostics.linear.optimum import LinearOptimum, linear_flow_optimum
from tfp_flows.diagnostics.report.data import ReportData
from tfp_flows.diagnostics.report.write import write_report
from tfp_flows.diagnostics.tails import Exceedances, exceedances, tail_quantiles
from tfp_flows.diagnostics.two_samples import (
    TwoSamples,
    classifier_two_sample_test,
    column_distances,
    energy_distance,
)
from tfp_flows.diagnostics.volume.record import LayerVolume, VolumeLimits, VolumeReport
from tfp_flows.diagnostics.yardsticks import (
    Yardstick,
    fit_gaussian,
    fit_mixture,
    mean_and_standard_error,
)

__all__ = [
    "ClassShares",
    "Coverage",
    "Exceedances",
    "LayerVolume",
    "LinearOptimum",
    "ReportData",
    "Result",
    "TwoSamples",
    "Uniformity",
    "VolumeLimits",
    "VolumeMonitor",
    "VolumeReport",
    "Yardstick",
    "class_shares",
    "classifier_two_sample_test",
    "column_distances",
    "column_ranks",
    "compare_samples",
    "compare_scores",
    "conditional_ranks",
    "crps",
    "energy_distance",
    "exceedances",
    "fit_gaussian",
    "fit_mixture",
    "interval_coverage",
    "linear_flow_optimum",
    "mean_and_standard_error",
    "measure_volume",
    "p_values",
    "rank_band",
    "tail_quantiles",
    "uniformity",
    "variogram_score",
    "write_report",
]

_LAZY = {"VolumeMonitor": "volume.monitor", "measure_volume": "volume.probe"}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_LAZY[name]}")
    return getattr(module, name)
