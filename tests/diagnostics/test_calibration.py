"""Ranks are uniform for right models and only for them; p-values are exact."""

import numpy as np
import pytest
from scipy import stats

from tfp_flows.data import load_builtin
from tfp_flows.diagnostics import (
    column_ranks,
    conditional_ranks,
    fit_gaussian,
    p_values,
    rank_band,
    uniformity,
)


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def test_ranks_of_a_right_model_are_uniform(rng):
    data, samples = rng.standard_t(3, (800, 5)), rng.standard_t(3, (1000, 5))
    summary = uniformity(column_ranks(data, samples), shared_samples=1000)
    assert not summary.outside.any()
    assert (summary.chi_squared < 1.5 * summary.chi_squared_band).all()


@pytest.mark.parametrize("wrong", ["shifted", "wide", "narrow"])
def test_ranks_of_a_wrong_model_are_not(rng, wrong):
    data, samples = rng.standard_normal((800, 2)), rng.standard_normal((1000, 2))
    change = {"shifted": samples + 0.3, "wide": samples * 1.5, "narrow": samples / 1.5}
    summary = uniformity(column_ranks(data, change[wrong]), shared_samples=1000)
    assert summary.outside.all()
    assert (summary.chi_squared > summary.chi_squared_band).all()


def test_ties_are_broken_at_random(rng):
    data, samples = rng.integers(0, 3, (2000, 1)), rng.integers(0, 3, (3000, 1))
    summary = uniformity(column_ranks(data, samples), shared_samples=3000)
    assert not summary.outside.any()


def test_conditional_ranks_follow_the_context(rng):
    context = rng.standard_normal((600, 1)) * 5
    data = context + rng.standard_normal((600, 2))
    right = context + rng.standard_normal((99, 600, 2))
    summary = uniformity(conditional_ranks(data, right))
    assert not summary.outside.any()
    # The marginal is right here too, only the context is ignored.
    shuffled = rng.permutation(context) + rng.standard_normal((99, 600, 2))
    assert uniformity(conditional_ranks(data, shuffled)).outside.all()


def test_band_holds_95_percent_of_right_models(rng):
    data, samples = rng.uniform(size=(200, 400)), rng.uniform(size=(300, 400))
    ranks = column_ranks(data, samples)
    summary = uniformity(ranks, shared_samples=300)
    assert 0.02 < summary.outside.mean() < 0.08
    above = summary.chi_squared > summary.chi_squared_band
    assert 0.02 < above.mean() < 0.09
    low, high = rank_band(200, shared_samples=300, bins=8)
    heights = np.stack([np.histogram(u, 8, (0, 1))[0] for u in ranks.T]) / 25
    assert 0.02 < np.mean((heights < low) | (heights > high)) < 0.08


def test_deviation_is_the_kolmogorov_smirnov_statistic(rng):
    ranks = rng.beta(2, 1, (150, 3))
    exact = [stats.kstest(column, "uniform").statistic for column in ranks.T]
    np.testing.assert_allclose(uniformity(ranks).deviation, exact)


def test_p_values_count_references():
    reference = np.array([3.0, 1.0, 2.0, 2.0])
    scores = np.array([[0.0, 1.0], [2.0, 9.0]])
    np.testing.assert_allclose(p_values(scores, reference) * 5, [[1, 2], [4, 5]])
    assert p_values(np.array([-np.inf]), reference) == 0.2


def test_p_values_are_valid(rng):
    values = p_values(rng.standard_normal(20_000), rng.standard_normal(999))
    assert np.mean(values <= 0.05) == pytest.approx(0.05, abs=0.02)


@pytest.mark.parametrize("name", ["returns", "digits", "magic", "texture"])
def test_p_values_of_real_rows_are_uniform(name):
    """Under any density that was not trained on the rows; here one Gaussian's."""
    rows = load_builtin(name).values
    rows = np.random.default_rng(0).permutation(rows)[:1_500].reshape(-1, rows.shape[1])
    trained, reference, fresh = np.split(rows, [len(rows) // 3, 2 * len(rows) // 3])
    gaussian = fit_gaussian(trained, same_units=name == "digits")
    values = p_values(gaussian.log_prob(fresh), gaussian.log_prob(reference))
    uniform = np.arange(1, 1_000) / 1_000
    assert stats.ks_2samp(values, uniform).pvalue > 0.01


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: p_values(np.zeros(3), np.zeros(0)), "at least one entry"),
        (lambda: p_values(np.array([np.nan]), np.zeros(3)), "Drop rows"),
        (lambda: column_ranks(np.zeros((4, 2)), np.zeros((4, 3))), "same column order"),
        (
            lambda: conditional_ranks(np.zeros((4, 2)), np.zeros((4, 4, 3))),
            "same number",
        ),
        (lambda: column_ranks(np.full((4, 2), np.nan), np.zeros((4, 2))), "NaN"),
        (lambda: uniformity(np.full((4, 2), 1.5)), r"ranks in \[0, 1\]"),
    ],
)
def test_bad_input_is_explained(call, message):
    with pytest.raises(ValueError, match=message):
        call()
