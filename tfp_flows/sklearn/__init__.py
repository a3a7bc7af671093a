"""Flows in scikit-learn's shape: pipelines, searches, pickles. Needs scikit-learn."""

from tfp_flows.sklearn.aligner import FlowAligner
from tfp_flows.sklearn.density import FlowDensity
from tfp_flows.sklearn.outliers import FlowOutlierDetector

__all__ = ["FlowAligner", "FlowDensity", "FlowOutlierDetector"]
