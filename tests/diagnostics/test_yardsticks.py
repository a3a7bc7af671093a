"""Yardsticks against scipy, known densities, and awkward columns."""

import sys

import numpy as np
import pytest
from scipy import stats

from tfp_flows.diagnostics import fit_gaussian, fit_mixture, mean_and_standard_error


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def correlated(rng, rows, scale=1.0):
    mixing = np.array([[1.0, 0.0, 0.0], [0.8, 0.5, 0.0], [0.1, -0.3, 2.0]])
    return (rng.standard_normal((rows, 3)) @ mixing.T + 5.0) * scale


def two_clusters(rng, rows):
    side = rng.integers(0, 2, (rows, 1)) * 2 - 1
    return side * 4.0 + rng.standard_normal((rows, 2))


@pytest.mark.parametrize("scale", [1.0, 1e-6, 1e5])
def test_gaussian_agrees_with_scipy_in_any_units(rng, scale):
    train = correlated(rng, 500, scale)
    covariance = np.cov(train, rowvar=False, bias=True)
    exact = stats.multivariate_normal(
        train.mean(axis=0) / scale, covariance / scale**2
    ).logpdf(train / scale) - 3 * np.log(scale)
    np.testing.assert_allclose(fit_gaussian(train).log_prob(train), exact, atol=1e-3)


def test_gaussian_in_one_dimension(rng):
    train = 3 + 2 * rng.standard_normal((400, 1))
    exact = stats.norm(train.mean(), train.std()).logpdf(train[:, 0])
    np.testing.assert_allclose(fit_gaussian(train).log_prob(train), exact, atol=1e-4)


def test_conditional_gaussian_is_linear_regression(rng):
    context = rng.standard_normal((4000, 2))
    x = context @ [[1.5], [-0.5]] + 0.3 * rng.standard_normal((4000, 1))
    joined = np.concatenate([x, context], axis=1)
    fitted = fit_gaussian(joined, context_size=2)
    weights, *_ = np.linalg.lstsq(np.c_[context, np.ones(len(x))], x[:, 0], rcond=None)
    residual = x[:, 0] - np.c_[context, np.ones(len(x))] @ weights
    exact = stats.norm(0, residual.std()).logpdf(residual)
    np.testing.assert_allclose(fitted.log_prob(joined), exact, atol=1e-2)


def test_mixture_integrates_to_one_and_beats_the_gaussian(rng):
    train, validation = two_clusters(rng, 1500), two_clusters(rng, 500)
    mixture = fit_mixture(train, validation, components=(1, 2, 3))
    gaussian = fit_gaussian(train, validation)
    gain = mixture.log_prob(validation).mean() - gaussian.log_prob(validation).mean()
    assert mixture.components in (2, 3)
    # Two Gaussians 8 standard deviations apart: entropy 2·1.419 + log 2 = 3.531.
    assert mixture.log_prob(validation).mean() == pytest.approx(-3.53, abs=0.1)
    assert gain > 0.5
    side = np.linspace(-14, 14, 281)
    grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    total = np.exp(mixture.log_prob(grid)).sum() * (side[1] - side[0]) ** 2
    assert total == pytest.approx(1.0, abs=1e-3)


def test_mixture_gives_one_component_when_the_data_are_gaussian(rng):
    fitted = fit_mixture(correlated(rng, 300), correlated(rng, 300), components=(8,))
    assert fitted.components == 1


def test_mixture_is_reproducible(rng):
    rows = two_clusters(rng, 400)
    first, second = (fit_mixture(rows, rows[:100], seed=3) for _ in range(2))
    np.testing.assert_array_equal(first.log_prob(rows), second.log_prob(rows))


def test_conditional_mixture_knows_the_cluster(rng):
    side = rng.integers(0, 2, (2000, 1)) * 2.0 - 1
    rows = np.concatenate([4 * side + rng.standard_normal((2000, 1)), side], axis=1)
    fitted = fit_mixture(rows, rows[:500], components=(2,), context_size=1)
    assert fitted.log_prob(rows).mean() == pytest.approx(-1.419, abs=0.05)


def test_common_scale_tames_a_nearly_constant_pixel(rng):
    def images(lit):
        pixels = np.zeros((200, 4))
        pixels[:, :3] = rng.integers(0, 17, (200, 3))
        pixels[lit, 3] = 16.0
        return pixels + rng.uniform(size=pixels.shape)

    train, validation, held_out = images([]), images([5]), images([8])
    tame = fit_gaussian(train, validation, same_units=True).log_prob(held_out)
    wild = fit_gaussian(train).log_prob(held_out)
    assert np.isfinite(tame).all()
    assert tame.min() > wild.min() + 500


def test_many_rows_are_thinned_not_refused(rng, monkeypatch):
    monkeypatch.setattr("tfp_flows.diagnostics.yardsticks.MAX_ROWS", 300)
    rows = two_clusters(rng, 2000)
    fitted = fit_mixture(rows, rows[:200], components=(2,))
    assert fitted.log_prob(rows).mean() == pytest.approx(-3.53, abs=0.2)


def test_rows_are_scored_in_chunks(rng, monkeypatch):
    fitted = fit_gaussian(correlated(rng, 100))
    rows = correlated(rng, 25)
    whole = fitted.log_prob(rows)
    monkeypatch.setattr("tfp_flows.diagnostics.yardsticks.CHUNK_VALUES", 12)
    np.testing.assert_allclose(fitted.log_prob(rows), whole)
    assert fitted.log_prob(rows[:0]).shape == (0,)


@pytest.mark.parametrize(
    ("train", "message"),
    [
        (np.ones((10, 2)), "Drop them"),
        (np.zeros((10, 2, 2)), "Flatten images"),
        (np.full((10, 2), np.nan), "finite"),
        (np.zeros((1, 2)), "at least 2 rows"),
    ],
)
def test_unusable_rows_are_refused(train, message):
    with pytest.raises(ValueError, match=message):
        fit_gaussian(train)


def test_mixture_needs_numpy_alone(monkeypatch, rng):
    rows = two_clusters(rng, 300)
    whole = fit_mixture(rows, rows[:100])
    for name in ("sklearn", "threadpoolctl"):
        monkeypatch.setitem(sys.modules, name, None)
    alone = fit_mixture(rows, rows[:100])
    np.testing.assert_allclose(alone.log_prob(rows), whole.log_prob(rows), rtol=1e-9)


def test_standard_error_is_the_spread_of_means(rng):
    means = rng.standard_normal((4000, 50)).mean(axis=1)
    _, error = mean_and_standard_error(rng.standard_normal(50))
    assert error == pytest.approx(means.std(), rel=0.3)
    assert mean_and_standard_error(np.array([1.0, 3.0])) == (2.0, 1.0)


def test_mean_of_an_impossible_row():
    mean, error = mean_and_standard_error(np.array([0.0, -np.inf]))
    assert mean == -np.inf
    assert np.isnan(error)
    with pytest.raises(ValueError, match="hold out more rows"):
        mean_and_standard_error(np.zeros(1))
