"""A flow among the detectors of PyOD, with its signs and attributes. Needs PyOD."""

from typing import Any

import numpy as np
from pyod.models.base import BaseDetector
from sklearn.base import clone
from sklearn.utils.validation import check_array, check_is_fitted

from tfp_flows.sklearn.density import FlowDensity

__all__ = ["FlowDetector"]


class FlowDetector(BaseDetector):  # type: ignore[misc]
    """Scores rows by −log-density: the higher, the more abnormal.

    PyOD's threshold is a quantile of the rows trained on. `FlowOutlierDetector` sets
    it on rows held out, and keeps its false-alarm rate.

    Args:
        contamination: share of outliers among the rows trained on, in (0, 0.5].
        density: an estimator with `score_samples`; `FlowDensity()` by default.

    Attributes:
        density_: the fitted density.
        decision_scores_, threshold_, labels_: as in PyOD.

    Example:
        >>> from tfp_flows.architectures import coupling_flow
        >>> small = lambda size: coupling_flow(size, num_layers=1, hidden_sizes=(8,))
        >>> x = np.random.default_rng(0).normal(size=[200, 2])
        >>> density = FlowDensity(small, epochs=1, dtype="float32", random_state=0)
        >>> detector = FlowDetector(density=density).fit(x)
        >>> detector.predict([[0.0, 0.0], [9.0, -9.0]])
        array([0, 1])
    """

    def __init__(self, contamination: float = 0.1, density: Any = None) -> None:
        super().__init__(contamination=contamination)
        self.density = density

    def fit(self, X: Any, y: Any = None) -> "FlowDetector":  # noqa: N803
        """Fits the density, and the threshold to its scores of the same rows.

        Args:
            X: [N, D].
            y: ignored.
        """
        rows = check_array(X, dtype="float64")
        self._set_n_classes(y)
        density = FlowDensity() if self.density is None else clone(self.density)
        self.density_ = density.fit(rows)
        self.decision_scores_ = -self.density_.score_samples(rows)
        self._process_decision_scores()
        return self

    def decision_function(self, X: Any) -> np.ndarray:  # noqa: N803
        """Returns −log-density of each row, [N], nats."""
        check_is_fitted(self, "density_")
        return -np.asarray(self.density_.score_samples(check_array(X, dtype="float64")))
