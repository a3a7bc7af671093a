"""Judging a fitted density: yardsticks, calibration, pictures and a report.

Works on numpy arrays. `tfp_flows.diagnostics.plots` needs matplotlib and is loaded
when a report is written or by its own import.
"""

from tfp_flows.diagnostics.calibration import (
    Uniformity,
    column_ranks,
    conditional_ranks,
    p_values,
    rank_band,
    uniformity,
)
from tfp_flows.diagnostics.comparison import Result, compare_scores
from tfp_flows.diagnostics.linear_optimum import LinearOptimum, linear_flow_optimum
from tfp_flows.diagnostics.report import ReportData, write_report
from tfp_flows.diagnostics.yardsticks import (
    Yardstick,
    fit_gaussian,
    fit_mixture,
    mean_and_standard_error,
)

__all__ = [
    "LinearOptimum",
    "ReportData",
    "Result",
    "Uniformity",
    "Yardstick",
    "column_ranks",
    "compare_scores",
    "conditional_ranks",
    "fit_gaussian",
    "fit_mixture",
    "linear_flow_optimum",
    "mean_and_standard_error",
    "p_values",
    "rank_band",
    "uniformity",
    "write_report",
]
