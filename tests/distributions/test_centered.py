"""Densities on configurations of zero center of mass, in orthonormal coordinates."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import integrate, linalg, stats

from tfp_flows.distributions import CenteredNormal, CenteredStudentT

F64 = {"dtype": "float64"}


def coordinates(num_particles, dimension):
    """An orthonormal basis of the configurations of zero center of mass, [k, N n]."""
    return np.kron(linalg.helmert(num_particles), np.eye(dimension))


@pytest.mark.parametrize(
    ("shape", "published"), [((4, 2), 5.5136), ((13, 3), 33.0818), ((19, 3), 49.6227)]
)
def test_constants_of_the_literature(shape, published):
    found = CenteredNormal(*shape, **F64).log_prob(np.zeros(shape))
    assert float(found) == pytest.approx(-published, abs=5e-5)


@pytest.mark.parametrize("df", [None, 3.5])
def test_density_in_orthonormal_coordinates(df):
    basis = coordinates(3, 2)
    w = np.random.default_rng(0).normal(size=[50, len(basis)])
    x = (w @ basis).reshape(-1, 3, 2)
    if df is None:
        found, expected = CenteredNormal(3, 2, **F64), stats.norm.logpdf(w).sum(axis=1)
    else:
        found = CenteredStudentT(3, 2, df, **F64)
        expected = stats.multivariate_t(shape=np.eye(len(basis)), df=df).logpdf(w)
    np.testing.assert_allclose(found.log_prob(x), expected, rtol=1e-10)
    np.testing.assert_allclose(found.log_prob(x + [5.0, -1.0]), expected, rtol=1e-10)


@pytest.mark.parametrize(
    "distribution", [CenteredNormal(2, 1, **F64), CenteredStudentT(2, 1, 2.5, **F64)]
)
def test_density_of_two_on_a_line_integrates_to_one(distribution):
    mass, _ = integrate.quad(
        lambda s: np.exp(distribution.log_prob([[s], [-s]] / np.sqrt(2))),
        -np.inf,
        np.inf,
    )
    assert mass == pytest.approx(1.0, abs=1e-6)


def test_samples_have_the_distribution_of_their_radius():
    shape, df = (4, 2), 6.0
    normal = CenteredNormal(*shape, **F64).sample(4000, seed=(1, 2)).numpy()
    heavy = CenteredStudentT(*shape, df, **F64).sample(4000, seed=(1, 2)).numpy()
    for x in (normal, heavy):
        assert np.abs(x.sum(axis=1)).max() < 1e-9
    squares = [(x**2).sum(axis=(1, 2)) for x in (normal, heavy)]
    assert stats.kstest(squares[0], stats.chi2(6).cdf).pvalue > 1e-3
    assert stats.kstest(squares[1] / 6, stats.f(6, df).cdf).pvalue > 1e-3


def test_masks_are_batches_of_smaller_systems():
    mask = [[1, 1, 1, 0], [1, 1, 1, 1]]
    for make in (CenteredNormal, lambda *a, **k: CenteredStudentT(*a, 4.0, **k)):
        both = make(4, 2, mask=mask, **F64)
        assert both.batch_shape == [2]
        x = both.sample(5, seed=(0, 1))
        np.testing.assert_array_equal(x[:, 0, 3], 0)
        alone = make(3, 2, **F64).log_prob(x[:, 0, :3])
        np.testing.assert_allclose(both.log_prob(x)[:, 0], alone, rtol=1e-12)
        # What stands where no particle is counts for nothing.
        filled = tf.where(tf.constant(mask)[..., None] == 0, tf.ones_like(x), x)
        np.testing.assert_allclose(both.log_prob(filled), both.log_prob(x), rtol=1e-12)


@pytest.mark.parametrize("mask", [[1, 1, 0.5], [1, 0, 0], [1, 1]])
def test_other_masks_are_refused(mask):
    with pytest.raises(ValueError, match="mask must be"):
        CenteredNormal(3, 2, mask=mask)
