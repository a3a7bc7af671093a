"""What PyOD asks of every detector."""

import numpy as np
import pytest
from pyod.models.ecod import ECOD
from pyod.utils.data import generate_data
from sklearn.base import clone
from sklearn.metrics import roc_auc_score

from tests.sklearn.test_estimators import small
from tfp_flows.sklearn import FlowDensity
from tfp_flows.sklearn.pyod import FlowDetector

SHARE = 0.1


@pytest.fixture(scope="module")
def data():
    x, x_new, y, y_new = generate_data(
        n_train=200, n_test=100, n_features=3, contamination=SHARE, random_state=42
    )
    return x, x_new, y, y_new


@pytest.fixture(scope="module")
def detector(data):
    density = FlowDensity(small, epochs=3, random_state=0)
    return FlowDetector(contamination=SHARE, density=density).fit(data[0])


def test_scores_labels_and_threshold_of_the_rows_trained_on(data, detector):
    assert roc_auc_score(data[2], detector.decision_scores_) > 0.95
    expected = np.quantile(detector.decision_scores_, 1 - SHARE)
    assert detector.threshold_ == pytest.approx(expected)
    assert detector.labels_.sum() == SHARE * len(data[0])
    np.testing.assert_array_equal(detector.labels_, detector.predict(data[0]))


def test_new_rows_have_the_sign_of_other_detectors(data, detector):
    x, x_new, _, y_new = data
    other = ECOD(contamination=SHARE).fit(x)
    for one in (detector, other):
        assert roc_auc_score(y_new, one.decision_function(x_new)) > 0.9
    probabilities = detector.predict_proba(x_new)
    assert probabilities.shape == (len(x_new), 2)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    for method in ("linear", "unify"):
        found = detector.predict_proba(x_new, method=method)[:, 1]
        assert 0 <= found.min() <= found.max() <= 1
    labels, confidence = detector.predict(x_new, return_confidence=True)
    assert set(labels) <= {0, 1}
    assert 0 <= confidence.min() <= confidence.max() <= 1


def test_a_clone_is_a_fresh_one_and_mistakes_are_named(data, detector):
    fresh = clone(detector)
    assert fresh.contamination == SHARE
    with pytest.raises(ValueError, match="contamination must be in"):
        FlowDetector(contamination=0.7)
    with pytest.raises(ValueError, match="not fitted"):
        fresh.decision_function(data[1])
    with pytest.raises(ValueError, match="2 features"):
        detector.predict(data[1][:, :2])
