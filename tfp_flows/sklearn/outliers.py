"""Outliers at a false-alarm rate that holds."""

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, OutlierMixin, clone
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from tfp_flows.diagnostics.calibration import p_values
from tfp_flows.sklearn.density import FlowDensity

__all__ = ["FlowOutlierDetector"]


class FlowOutlierDetector(OutlierMixin, BaseEstimator):  # type: ignore[misc]
    """Flags rows that are less likely than all but a share of ordinary rows.

    The density is fit to some of the rows, and its threshold set on others: of new
    ordinary rows at most `false_alarm_rate` are flagged on average, whatever the
    density (Bates et al., 2023, arXiv:2104.08279). With n rows to set it on, none can
    be flagged at a rate below 1 / (n + 1).

    Args:
        density: an estimator with `score_samples`; `FlowDensity()` by default.
        false_alarm_rate: share of ordinary rows that is flagged.
        calibration_fraction: of the rows, that set the threshold.
        random_state: of their choice, and of a density that has none.

    Attributes:
        density_: the fitted density.
        calibration_scores_: its log-densities of the rows that set the threshold,
            ascending.
        offset_: the threshold; rows with a score below it are flagged.
        n_features_in_, feature_names_in_: as in scikit-learn.
    """

    def __init__(
        self,
        density: Any = None,
        *,
        false_alarm_rate: float = 0.05,
        calibration_fraction: float = 0.25,
        random_state: Any = None,
    ) -> None:
        self.density = density
        self.false_alarm_rate = false_alarm_rate
        self.calibration_fraction = calibration_fraction
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> "FlowOutlierDetector":  # noqa: N803
        """Fits the density and sets the threshold.

        Args:
            X: [N, D], mostly ordinary rows, at least eight.
            y: ignored.
        """
        for name in ("false_alarm_rate", "calibration_fraction"):
            if not 0 < getattr(self, name) < 1:
                raise ValueError(
                    f"{name}: expected a share between 0 and 1, received "
                    f"{getattr(self, name)}."
                )
        rows = validate_data(self, X, dtype="float64", ensure_min_samples=8)
        draw = check_random_state(self.random_state)
        order = draw.permutation(len(rows))
        count = max(round(self.calibration_fraction * len(rows)), 1)
        held_out, others = np.split(order, [count])
        density = FlowDensity() if self.density is None else clone(self.density)
        self.density_ = _seeded(density, draw).fit(rows[others])
        self.calibration_scores_ = np.sort(self.density_.score_samples(rows[held_out]))
        allowed = int(np.floor(self.false_alarm_rate * (count + 1)))
        self.offset_ = self.calibration_scores_[allowed - 1] if allowed else -np.inf
        return self

    def score_samples(self, X: Any) -> np.ndarray:  # noqa: N803
        """Returns the log-density of each row, [N]; the lower the less ordinary."""
        check_is_fitted(self)
        rows = validate_data(self, X, dtype="float64", reset=False)
        return np.asarray(self.density_.score_samples(rows))

    def decision_function(self, X: Any) -> np.ndarray:  # noqa: N803
        """Returns `score_samples(X) - offset_`, [N], negative for outliers."""
        return self.score_samples(X) - self.offset_

    def p_values(self, X: Any) -> np.ndarray:  # noqa: N803
        """Returns for each row the share of ordinary rows at most as likely, [N].

        (1 + #{r ≤ s}) / (n + 1) among the scores r of the held-out rows: uniform, or
        above it, for ordinary rows; at most `false_alarm_rate` for those flagged.
        """
        return p_values(self.score_samples(X), self.calibration_scores_)

    def predict(self, X: Any) -> np.ndarray:  # noqa: N803
        """Returns −1 for outliers and 1 for the others, [N]."""
        return np.where(self.decision_function(X) < 0, -1, 1)


def _seeded(estimator: Any, draw: np.random.RandomState) -> Any:
    """Sets each `random_state` within an estimator that is None, as ensembles do."""
    names = [
        name
        for name, value in sorted(estimator.get_params().items())
        if name.split("__")[-1] == "random_state" and value is None
    ]
    return estimator.set_params(**{name: draw.randint(2**31 - 1) for name in names})
