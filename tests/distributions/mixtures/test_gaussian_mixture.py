"""EM against scikit-learn, and how many components are used."""

import numpy as np
import pytest
from sklearn import mixture

from tfp_flows.distributions import GaussianMixture
from tfp_flows.estimation.gaussian_mixture import fit_gaussian_mixture


def clusters(rows=400, size=3, count=4):
    rng = np.random.default_rng(0)
    return np.concatenate(
        [
            rng.normal(size=[rows, size]) @ rng.normal(size=[size, size])
            + 6 * rng.normal(size=size)
            for _ in range(count)
        ]
    )


def test_density_is_that_of_scikit_learn_for_the_same_numbers():
    x = clusters()
    ours = GaussianMixture(3, num_components=4, dtype="float64")
    fitted = fit_gaussian_mixture(x, 4)
    theirs = mixture.GaussianMixture(4)
    theirs.weights_, theirs.means_ = fitted.weights, fitted.means
    # scikit-learn keeps the factor of the precision transposed.
    theirs.precisions_cholesky_ = np.swapaxes(fitted.precision_factors, 1, 2)
    precision = theirs.precisions_cholesky_ @ fitted.precision_factors
    theirs.covariances_ = np.linalg.inv(precision)
    ours.initialize(x[:900])  # Any start: the next lines replace it.
    ours._assign(ours.logits, np.log(fitted.weights))
    ours._assign(ours.means, fitted.means)
    diagonal = np.diagonal(fitted.precision_factors, axis1=1, axis2=2)
    ours._assign(ours.log_diagonal, np.log(diagonal))
    ours._assign(ours.upper, np.triu(fitted.precision_factors, 1))
    np.testing.assert_allclose(ours.log_prob(x), theirs.score_samples(x), rtol=1e-9)


def test_likelihood_is_not_behind_scikit_learn():
    x = clusters(rows=200)
    ours = fit_gaussian_mixture(x, 4, max_iterations=200, tolerance=1e-6)
    made = GaussianMixture(3, num_components=4, dtype="float64")
    made.initialize(x)
    ridge = 1e-3 * x.var(axis=0).mean()
    theirs = mixture.GaussianMixture(4, reg_covar=ridge, random_state=0).fit(x)
    assert len(ours.weights) == 4
    assert float(np.mean(made.log_prob(x))) > theirs.score(x) - 0.05


@pytest.mark.parametrize(
    ("rows", "modes", "used"),
    [(8, 4, 1), (300, 4, 4), (300, 1, 1), (2000, 4, 1)],
    ids=str,
)
def test_number_of_components_follows_the_data_and_the_rows(rows, modes, used):
    x = clusters(rows // modes, count=modes)
    made = GaussianMixture(3, num_components=4)
    made.initialize(x)
    weights = np.exp(made.logits.numpy())
    assert np.sum(weights > 1e-3) == used


def test_samples_have_the_moments_of_the_mixture():
    x = clusters(rows=200)
    made = GaussianMixture(3, num_components=4, dtype="float64")
    made.initialize(x)
    drawn = made.sample(20_000, seed=(0, 1)).numpy()
    np.testing.assert_allclose(drawn.mean(0), x.mean(0), atol=0.2)
    np.testing.assert_allclose(np.cov(drawn.T), np.cov(x.T), rtol=0.1, atol=0.4)
