"""Tail indices, marginals and copulas found again from samples of known ones."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from tests.distributions.copulas.test_copulas import families
from tfp_flows import distributions as ours
from tfp_flows.distributions.copulas.fit_copula import kendall_tau


def heavy(rows=4000):
    """Five columns of 1.5, 3 and 6 degrees of freedom, normal and uniform."""
    rng = np.random.default_rng(0)
    columns = [2 * rng.standard_t(df, rows) + 1 for df in (1.5, 3.0, 6.0)]
    return np.stack([*columns, rng.normal(size=rows), rng.uniform(size=rows)], axis=1)


def test_student_t_is_that_of_scipy():
    x = heavy()[:, :3]
    found = ours.fit_student_t(x)
    for column in range(3):
        df, loc, scale = stats.t.fit(x[:, column])
        likelihood = stats.t(df, loc, scale).logpdf(x[:, column]).sum()
        ours_at = stats.t(found.df[column], found.loc[column], found.scale[column])
        assert ours_at.logpdf(x[:, column]).sum() > likelihood - 0.05
        np.testing.assert_allclose(found.df[column], df, rtol=0.02)
    normal = stats.norm(x[:, 0].mean(), x[:, 0].std()).logpdf(x[:, 0]).sum()
    fitted = stats.t(found.df[0], found.loc[0], found.scale[0]).logpdf(x[:, 0]).sum()
    np.testing.assert_allclose(found.gain[0], fitted - normal, rtol=1e-3)


def test_hill_finds_each_side():
    rng = np.random.default_rng(1)
    sign = np.sign(rng.normal(size=100_000))
    x = np.where(sign > 0, rng.pareto(3.0, 100_000), -rng.pareto(1.5, 100_000))
    found = ours.hill(x[:, None])
    assert found.num_points == 563
    # Three standard errors, and the bias of a Pareto variable about its median.
    np.testing.assert_allclose(found.upper, 3.0, rtol=0.2)
    np.testing.assert_allclose(found.lower, 1.5, rtol=0.15)


def test_auto_calls_heavy_what_is_heavy():
    expected = ["student-t", "student-t", "student-t", "normal", "normal"]
    assert ours.choose_marginals(heavy()) == expected
    parts = ours.fit_marginals(heavy())
    assert [type(part).__name__ for part in parts] == ["StudentT", "Normal"]
    assert [part.batch_shape[0] for part in parts] == [3, 2]


@pytest.mark.parametrize(
    ("family", "columns"),
    [
        ("student-t", [0, 1, 2]),
        ("normal", [3]),
        ("mixture", [2, 3]),
        ("pareto-tails", [0, 1]),
    ],
)
def test_fitted_marginals_follow_the_data(family, columns):
    x = heavy()[:, columns]
    (fitted,) = ours.fit_marginals(x, family, dtype="float64")
    cdf = fitted.cdf(x).numpy()
    for column in cdf.T:
        assert stats.kstest(column, "uniform").statistic < 0.03


def test_laplace_is_that_of_scipy():
    x = heavy()[:, 1:3]
    (fitted,) = ours.fit_marginals(x, "laplace", dtype="float64")
    for column in range(2):
        expected = stats.laplace.fit(x[:, column])
        found = fitted.loc[column], fitted.scale[column]
        np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_tail_indices_of_pareto_tails_are_hills():
    x = heavy()[:, :2]
    (fitted,) = ours.fit_marginals(x, "pareto-tails")
    found = ours.hill(x)
    np.testing.assert_allclose(fitted.upper_concentration, 1 / found.upper, rtol=1e-5)
    np.testing.assert_allclose(fitted.lower_concentration, 1 / found.lower, rtol=1e-5)


def test_kendall_tau_is_that_of_scipy():
    x = np.random.default_rng(2).normal(size=[400, 3]) @ np.tri(3)
    found = kendall_tau(x)
    for i, j in ((0, 1), (0, 2), (1, 2)):
        expected = stats.kendalltau(x[:, i], x[:, j]).statistic
        np.testing.assert_allclose(found[i, j], expected, atol=1e-12)


@pytest.mark.parametrize("family", families(2))
def test_copula_and_its_family_are_found_again(family):
    copula = families(2)[family]
    u = copula.sample(3000, seed=(1, 2)).numpy()
    found = ours.fit_copula(u)
    assert type(found) is type(copula)
    tau = found.kendall_tau.numpy()[0, 1]
    assert abs(tau - copula.kendall_tau.numpy()[0, 1]) < 0.04
    if family == "student":
        assert 3 < found.df < 5.5


def test_negative_dependence_is_gaussian_or_refused():
    factor = ours.correlation_factor([[1, -0.6], [-0.6, 1]])
    u = ours.GaussianCopula(factor).sample(1000, seed=(1, 2))
    found = ours.fit_copula(u)
    assert isinstance(found, ours.GaussianCopula)
    assert found.correlation[0, 1] < -0.5
    with pytest.raises(ValueError, match="positive dependence"):
        ours.fit_copula(u, "clayton")


def test_what_is_fitted_trainable_has_variables_of_the_same_values():
    x = heavy(1000)[:, [0, 1, 3]]
    fixed = ours.CopulaDistribution(
        ours.fit_copula(x, "student-t"), ours.fit_marginals(x)
    )
    trainable = ours.CopulaDistribution(
        ours.fit_copula(x, "student-t", trainable=True),
        ours.fit_marginals(x, trainable=True),
    )
    assert not fixed.trainable_variables
    assert len(trainable.trainable_variables) == 7
    np.testing.assert_allclose(
        fixed.log_prob(x[:50]), trainable.log_prob(x[:50]), rtol=1e-4
    )
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(trainable.log_prob(tf.constant(x, "float32")))
    gradients = tape.gradient(loss, trainable.trainable_variables)
    assert all(np.isfinite(gradient).all() for gradient in gradients)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: ours.hill(x[:50], num_points=5), "at least 10 tail points"),
        (lambda x: ours.hill(x[:40]), "at least 10 tail points"),
        (lambda x: ours.hill(x[:100], num_points=60), "more rows or a smaller"),
        (lambda x: ours.hill(x[:, 0]), r"rows \[N, D\], received shape"),
        (lambda x: ours.hill(np.full([100, 2], np.nan)), "non-finite value"),
        (lambda x: ours.fit_student_t(x[:10]), "at least 20 rows"),
        (lambda x: ours.fit_student_t(0 * x), "column 0 has one value"),
        (lambda x: ours.fit_marginals(0 * x, "normal"), "column 0 has one value"),
        (lambda x: ours.fit_marginals(x, "cauchy"), "received 'cauchy'"),
        (lambda x: ours.fit_marginals(x, ["normal"]), "each of 5 columns"),
        (lambda x: ours.fit_copula(x, "vine"), "received 'vine'"),
        (lambda x: ours.fit_copula(x[:, :1]), "2 columns"),
        (lambda x: ours.fit_copula(x[:10]), "at least 20 rows"),
    ],
)
def test_too_little_or_wrong_data_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(heavy(1000))
