"""scikit-learn's own checks, and what they do not look at."""

import pickle

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from sklearn.base import clone
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from tfp_flows.architectures import coupling_flow
from tfp_flows.sklearn import FlowAligner, FlowDensity, FlowOutlierDetector


class Small:
    """A flow that is traced soon, with a name that does not change from run to run."""

    def __call__(self, size, seed=None, dtype="float32"):
        return coupling_flow(
            size, num_layers=2, hidden_sizes=(8,), seed=seed, dtype=dtype
        )

    def __repr__(self):
        return "small"


small = Small()


@pytest.mark.slow
@parametrize_with_checks(
    [
        FlowDensity(small, epochs=2),
        FlowOutlierDetector(FlowDensity(small, epochs=2), random_state=0),
    ]
)
def test_checks_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    values = rng.normal(size=[400, 2]) @ [[1.0, 0.8], [0.0, 0.6]] * [1.0, 50.0]
    return pd.DataFrame(values, columns=["a", "b"])


@pytest.fixture(scope="module")
def fitted(table):
    return FlowDensity(small, epochs=3, random_state=0).fit(table)


def test_density_of_a_normal_table(table, fitted):
    exact = scipy.stats.multivariate_normal(table.mean(), table.cov()).logpdf(table)
    assert fitted.score(table) == pytest.approx(exact.mean(), abs=0.05)
    assert fitted.score_samples(table).shape == (400,)
    assert list(fitted.feature_names_in_) == ["a", "b"]
    drawn = fitted.sample(2000, random_state=1)
    np.testing.assert_array_equal(drawn, fitted.sample(2000, random_state=1))
    np.testing.assert_allclose(np.cov(drawn.T), table.cov(), rtol=0.15)


@pytest.mark.slow
def test_a_fit_is_never_behind_its_start_and_is_reproducible(table, fitted):
    again = clone(fitted).fit(table)
    assert again.history_ == fitted.history_
    wild = clone(fitted).set_params(learning_rate=3.0).fit(table)
    assert min(wild.history_) <= fitted.history_[0] + 1e-6
    assert wild.score(table) > fitted.score(table) - 0.1


def test_pickle_is_exact(table, fitted):
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(
        again.score_samples(table), fitted.score_samples(table)
    )


@pytest.mark.slow
def test_pipeline_knows_the_units(table, fitted):
    density = FlowDensity(small, epochs=3, random_state=0)
    pipeline = make_pipeline(StandardScaler(), density).fit(table)
    scales = np.log(pipeline[0].scale_).sum()
    assert pipeline.score(table) - scales == pytest.approx(fitted.score(table), abs=0.1)


@pytest.mark.slow
def test_search(table):
    grid = {"epochs": [1, 2], "learning_rate": [1e-3, 1e-2]}
    search = GridSearchCV(FlowDensity(small, random_state=0), grid, cv=2).fit(table)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_estimator_.score(table) == search.score(table)


def test_weights_count_as_copies(table):
    weight = np.where(table["a"] > 0, 5.0, 1.0)
    weighted = FlowDensity(small, epochs=1, random_state=0)
    weighted.fit(table, sample_weight=weight)
    assert weighted.sample(2000, random_state=0)[:, 0].mean() > 0.25


def test_false_alarms_are_as_many_as_allowed():
    # Any density will do, so one that is fit in no time.
    rng = np.random.default_rng(1)
    flagged, below = [], []
    for seed in range(60):
        detector = FlowOutlierDetector(
            GaussianMixture(2), false_alarm_rate=0.1, random_state=seed
        ).fit(rng.standard_t(3, size=[160, 2]))
        fresh = rng.standard_t(3, size=[200, 2])
        p = detector.p_values(fresh)
        np.testing.assert_array_equal(detector.predict(fresh) == -1, p <= 0.1)
        flagged.append(np.mean(p <= 0.1))
        below.append(np.mean(p <= 0.5))
    assert np.mean(flagged) == pytest.approx(4 / 41, abs=0.015)
    assert np.mean(below) == pytest.approx(20 / 41, abs=0.03)


def test_outliers_of_a_flow_are_found(table):
    density = FlowDensity(small, epochs=2, random_state=0)
    detector = FlowOutlierDetector(density, random_state=0).fit(table.to_numpy())
    assert (detector.predict([[6.0, 0.0], [0.0, 400.0]]) == -1).all()
    assert detector.predict([[0.0, 0.0]]) == 1


def test_few_rows_and_wrong_shares_are_refused(table):
    with pytest.raises(ValueError, match="minimum of 5 is required"):
        FlowDensity(small).fit(table[:4])
    with pytest.raises(ValueError, match="constant"):
        FlowDensity(small).fit(table.assign(b=1.0))
    with pytest.raises(ValueError, match="false_alarm_rate: expected a share"):
        FlowOutlierDetector(false_alarm_rate=5).fit(table)


@pytest.mark.slow
def test_rows_of_an_instrument_become_those_of_another_and_come_back(table):
    rng = np.random.default_rng(1)
    domain = rng.choice(["old", "new"], len(table))
    shift = np.where(domain == "old", 100.0, 0.0)[:, None]
    x = (table + shift).to_numpy("float32")
    aligner = FlowAligner("new", epochs=1, random_state=0)
    with pytest.raises(ValueError, match="no domain 'newer'"):
        clone(aligner).set_params(target="newer").fit(x, domain)
    moved = aligner.fit(x, domain).transform(x, domain)
    is_new = domain == "new"
    np.testing.assert_array_equal(moved[is_new], x[is_new])
    gap = moved[~is_new].mean(axis=0) - x[is_new].mean(axis=0)
    assert np.abs(gap / x[is_new].std(axis=0)).max() < 0.2
    again = pickle.loads(pickle.dumps(aligner))
    back = again.inverse_transform(moved, domain)
    np.testing.assert_allclose(back, x, rtol=1e-3, atol=1e-2)
    with pytest.raises(ValueError, match="no domain 'third'"):
        aligner.transform(x, np.full(len(x), "third"))
