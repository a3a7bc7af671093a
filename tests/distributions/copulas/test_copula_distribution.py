"""Copulas joined to marginals: far tails, special cases and refusals."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from scipy import stats

from tests.cases.case import parametrize
from tests.cases.distributions import BASES, correlated, student_t, two_normals
from tests.distributions.copulas.test_copulas import families
from tests.reference.far_copulas import LOG_DENSITIES, POINTS
from tests.weights import perturb
from tfp_flows import distributions as ours
from tfp_flows.architectures import coupling_flow
from tfp_flows.models import FlowModel
from tfp_flows.testing import check_distribution

tfb, tfd = tfp.bijectors, tfp.distributions
F64 = {"dtype": "float64"}


@pytest.mark.parametrize(**parametrize(BASES))
def test_base_passes_the_public_audit(case):
    base = case.make()
    perturb(base, scale=0.05)
    check_distribution(base, case.points(), num_samples=1500)


# Saturation points of float32's cdfs; ln c of a Gumbel copula of θ = 2.5 at x of two
# t₂ variables, whose cdf is 1 from 4,100 on.
FAR = {
    (50, 50): 7.8144,
    (1e3, 1e3): 13.8051,
    (1e4, 1e4): 18.4103,
    (1e5, 1e3): 1.0986,
    (-1e3, -1e3): 9.1167,
    (-1e5, -1e5): 15.3556,
    (1, -1): -1.9240,
    (0, 0): 0.6107,
}


def t2(size, dtype="float32"):
    df, zeros = tf.fill([size], tf.constant(2.0, dtype)), tf.zeros([size], dtype)
    return tfd.StudentT(df, zeros, tf.ones([size], dtype))


def test_gumbel_in_single_precision_has_four_decimals_far_out():
    base = ours.CopulaDistribution(ours.GumbelCopula(2.5, 2), t2(2))
    x = tf.constant(list(FAR), "float32")
    found = base.log_prob(x) - tf.reduce_sum(t2(2).log_prob(x), axis=-1)
    np.testing.assert_allclose(found, list(FAR.values()), atol=1e-4)


@pytest.mark.parametrize(("family", "size"), LOG_DENSITIES)
def test_four_digits_and_finite_gradients_up_to_a_million(family, size):
    """In single precision, against 60 digits; gradients against double precision."""
    gradients = {}
    points = np.array(POINTS)[:, :size]
    for dtype in ("float32", "float64"):
        copula = families(size, dtype)[family]
        marginals = t2(size, dtype)
        base = ours.CopulaDistribution(copula, marginals)
        x = tf.constant(points, dtype)
        with tf.GradientTape() as tape:
            tape.watch(x)
            found = base.log_prob(x)
        gradients[dtype] = tape.gradient(found, x)
        assert np.isfinite(gradients[dtype]).all()
        exact = stats.t(2).logpdf(points).sum(axis=-1) + LOG_DENSITIES[family, size]
        np.testing.assert_allclose(
            found, exact, rtol=1e-4 if dtype == "float32" else 1e-8
        )
        log_c = found - tf.reduce_sum(marginals.log_prob(x), axis=-1)
        np.testing.assert_allclose(
            log_c, LOG_DENSITIES[family, size], rtol=1e-4, atol=1e-4
        )
    np.testing.assert_allclose(*gradients.values(), rtol=1e-3, atol=1e-5)


def test_light_marginals_of_a_heavy_copula_stay_in_range():
    """The quantiles, exp(125,000), do not; ln c from 60 digits."""
    x = [[20, 20], [50, -50], [-1e3, 1e3], [1e3, 1e3], [0, 300], [-1e3, 1]]
    expected = [
        201.647755,
        1249.26612,
        500002.261,
        500005.557,
        -11251.8326,
        -125001.429,
    ]
    marginals = tfd.Normal([0.0, 0.0], 1.0)
    base = ours.CopulaDistribution(families(2, "float32")["student"], marginals)
    found = base.log_prob(x) - tf.reduce_sum(marginals.log_prob(x), axis=-1)
    np.testing.assert_allclose(found, expected, rtol=2e-5)


EXTREME = [
    *FAR,
    *((a, b) for a in (-1e6, 1e6) for b in (-1e6, 0.0, 1e-3, 1.0, 1e6)),
]


@pytest.mark.parametrize("family", families(2))
def test_single_precision_agrees_with_double_up_to_a_million(family):
    """Values to four digits, gradients for x and every parameter finite."""
    values = {}
    for dtype in ("float32", "float64"):
        base = ours.CopulaDistribution(families(2, dtype)[family], t2(2, dtype))
        x = tf.constant(EXTREME, dtype)
        with tf.GradientTape() as tape:
            tape.watch(x)
            values[dtype] = base.log_prob(x)
        gradient = tape.gradient(values[dtype], x)
        assert np.isfinite(gradient).all()
        values[dtype + " gradient"] = gradient
    np.testing.assert_allclose(values["float32"], values["float64"], rtol=1e-4)
    np.testing.assert_allclose(
        values["float32 gradient"], values["float64 gradient"], rtol=1e-3, atol=1e-5
    )


@pytest.mark.parametrize(
    "marginals",
    [
        tfd.Normal([0.0, 0.0], 1.0),
        tfd.Laplace([0.0, 0.0], 1.0),
        tfd.Logistic([0.0, 0.0], 1.0),
        tfd.StudentT([10.0, 0.7], 0.0, 1.0),
        tfd.Cauchy([0.0, 0.0], 1.0),
        ours.GeneralizedParetoTails(tfd.Normal([0.0, 0.0], 1.0), 0.5, [0.2, 0.0]),
    ],
    ids=lambda marginal: marginal.name,
)
def test_every_marginal_is_finite_far_out_and_samples_finite(marginals):
    for copula in families(2, "float32").values():
        base = ours.CopulaDistribution(copula, marginals)
        x = 1e3 * tf.constant([[0.1, 0.1], [-0.1, 0.1], [-0.3, 0.0], [1.0, 1.0]])
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = base.log_prob(x)
        assert np.isfinite(value).all()
        assert np.isfinite(tape.gradient(value, x)).all()
        assert np.isfinite(base.sample(2000, seed=(0, 1))).all()


def test_gaussian_copula_of_normals_is_the_multivariate_normal():
    factor = correlated(3)
    marginals = tfd.Normal(np.array([1.0, 2.0, 3.0]), np.array([0.5, 1.0, 2.0]))
    base = ours.CopulaDistribution(ours.GaussianCopula(factor, **F64), marginals)
    scale = np.diag([0.5, 1.0, 2.0]) @ factor
    normal = stats.multivariate_normal([1.0, 2.0, 3.0], scale @ scale.numpy().T)
    x = normal.rvs(50, random_state=0)
    np.testing.assert_allclose(base.log_prob(x), normal.logpdf(x), rtol=1e-10)


@pytest.mark.parametrize("df", [4.0, 4.0001])
def test_student_t_copula_of_its_own_marginals_is_the_multivariate_t(df):
    """Without the way through u, and to four digits with it."""
    copula = ours.StudentTCopula(4.0, correlated(3), **F64)
    base = ours.CopulaDistribution(copula, student_t(df, df, df))
    theirs = stats.multivariate_t(np.zeros(3), 0.5 + 0.5 * np.eye(3), df=4)
    x = theirs.rvs(50, random_state=0)
    tolerance = 1e-10 if df == 4 else 1e-3
    np.testing.assert_allclose(base.log_prob(x), theirs.logpdf(x), rtol=tolerance)


def test_independence_of_normals_is_the_diagonal_normal():
    marginals = tfd.Normal(np.zeros(3), np.ones(3))
    base = ours.CopulaDistribution(ours.IndependenceCopula(3, **F64), marginals)
    x = np.random.default_rng(0).normal(size=[20, 3])
    expected = tfd.MultivariateNormalDiag(np.zeros(3), np.ones(3)).log_prob(x)
    np.testing.assert_allclose(base.log_prob(x), expected, rtol=1e-12)


def test_a_sequence_of_marginals_is_the_batch_of_them():
    copula = ours.ClaytonCopula(2.0, 3, **F64)
    batch = ours.CopulaDistribution(copula, student_t(2.0, 3.0, 5.0))
    one = [tfd.StudentT(np.float64(df), np.float64(0), np.float64(1)) for df in (2, 3)]
    parts = ours.CopulaDistribution(copula, [*one, student_t(5.0)])
    x = batch.sample(30, seed=(1, 2))
    np.testing.assert_allclose(batch.log_prob(x), parts.log_prob(x), rtol=1e-12)
    np.testing.assert_allclose(parts.sample(30, seed=(1, 2)), x, rtol=1e-12)


def test_marginals_of_samples_are_the_marginals():
    mixture = stats.norm(-2, 1), stats.norm(3, 1)
    base = ours.CopulaDistribution(
        ours.GumbelCopula(2.0, 3, **F64), [two_normals(), student_t(2.5, 6.0)]
    )
    x = base.sample(5000, seed=(1, 2)).numpy()
    cdfs = [
        lambda t: 0.3 * mixture[0].cdf(t) + 0.7 * mixture[1].cdf(t),
        stats.t(2.5).cdf,
        stats.t(6.0).cdf,
    ]
    for column, cdf in zip(x.T, cdfs, strict=True):
        assert stats.kstest(column, cdf).pvalue > 1e-3


def test_samples_carry_gradients_to_marginals_and_copula():
    df = tf.Variable(3.3, dtype="float64")
    theta = tf.Variable(1.7, dtype="float64")
    base = ours.CopulaDistribution(
        ours.ClaytonCopula(theta, 2),
        tfd.StudentT(df * tf.ones(2, "float64"), np.zeros(2), np.ones(2)),
    )
    variables = (df, theta)

    def moment():
        made = ours.CopulaDistribution(
            ours.ClaytonCopula(theta, 2),
            tfd.StudentT(df + np.zeros(2), np.zeros(2), np.ones(2)),
        )
        return tf.reduce_mean(tf.tanh(made.sample(400, seed=(1, 2))) ** 3)

    assert base.reparameterization_type == tfd.FULLY_REPARAMETERIZED
    with tf.GradientTape() as tape:
        value = moment()
    for variable, gradient in zip(
        variables, tape.gradient(value, variables), strict=True
    ):
        start, ends = variable.numpy(), []
        for step in (1e-5, -1e-5):
            variable.assign(start + step)
            ends.append(moment())
        variable.assign(start)
        np.testing.assert_allclose(gradient, (ends[0] - ends[1]) / 2e-5, rtol=1e-4)


def test_quantile_of_a_mixture_has_implicit_gradients():
    means = tf.Variable([-2.0, 3.0], dtype="float64")

    def quantiles(p):
        mixture = tfd.MixtureSameFamily(
            tfd.Categorical(probs=np.array([0.3, 0.7])), tfd.Normal(means, [1.0, 0.5])
        )
        return ours.WithQuantile(mixture).quantile(p)

    p = tf.constant([1e-9, 0.2, 0.31, 0.9, 1 - 1e-9], "float64")
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(p)
        x = quantiles(p)
        total = tf.reduce_sum(x)
    step = 1e-6
    ends = []
    for sign in (1, -1):
        means.assign([-2.0 + sign * step, 3.0])
        ends.append(tf.reduce_sum(quantiles(p)))
    means.assign([-2.0, 3.0])
    difference = (ends[0] - ends[1]) / (2 * step)
    np.testing.assert_allclose(tape.gradient(total, means)[0], difference, rtol=1e-6)
    density = 0.3 * stats.norm(-2, 1).pdf(x) + 0.7 * stats.norm(3, 0.5).pdf(x)
    np.testing.assert_allclose(tape.gradient(total, p), 1 / density, rtol=1e-6)


def test_a_quantile_is_found_without_components():
    found = ours.WithQuantile(tfd.Pareto(2.0, 1.0)).quantile([0.1, 0.5, 0.999])
    expected = (1 - np.array([0.1, 0.5, 0.999])) ** -0.5
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_pareto_tails_have_the_tail_index_and_a_continuous_density():
    tailed = ours.GeneralizedParetoTails(
        tfd.StudentT(np.float64(4), np.float64(1), np.float64(2)), 0.5, 0.25
    )
    ratio = tailed.survival_function(1e8) / tailed.survival_function(1e7)
    np.testing.assert_allclose(ratio, 10.0**-4, rtol=1e-4)
    ratio = tailed.cdf(-1e8) / tailed.cdf(-1e7)
    np.testing.assert_allclose(ratio, 10.0**-2, rtol=1e-4)
    threshold = tailed.body.quantile(np.float64(0.95))
    ends = tailed.log_prob([threshold - 1e-9, threshold + 1e-9])
    np.testing.assert_allclose(ends[0], ends[1], atol=1e-7)
    p = np.array([1e-6, 0.03, 0.05, 0.5, 0.96, 0.9999])
    np.testing.assert_allclose(tailed.cdf(tailed.quantile(p)), p, rtol=1e-9)


def test_a_flow_with_a_trainable_base_survives_saving_and_export(tmp_path):
    theta = tfp.util.TransformedVariable(2.0, tfb.Softplus(low=1.0), name="theta")
    df = tfp.util.TransformedVariable([3.0, 4.0], tfb.Softplus(low=0.1), name="df")
    base = ours.CopulaDistribution(
        ours.GumbelCopula(theta, 2), tfd.StudentT(df, [0.0, 0.0], [1.0, 1.0])
    )
    flow = coupling_flow(2, base=base, num_layers=1, hidden_sizes=[8], seed=0)
    model = FlowModel(flow)
    x = np.random.default_rng(0).standard_t(3, size=[400, 2]).astype("float32")
    assert {"theta", "df"} <= {v.name.split(":")[0] for v in model.trainable_variables}
    perturb(model.distribution)
    model.save(tmp_path / "flow.keras")
    loaded = keras.models.load_model(tmp_path / "flow.keras")
    np.testing.assert_array_equal(loaded.log_prob(x), model.log_prob(x))
    model.export(str(tmp_path / "served"), verbose=False)
    served = tf.saved_model.load(str(tmp_path / "served"))
    np.testing.assert_allclose(served.log_prob(x), model.log_prob(x), rtol=1e-5)
    drawn = served.sample(100, seed=[0, 1])
    assert np.isfinite(drawn).all()


GUMBEL = ours.GumbelCopula(2.0, 2)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda: ours.CopulaDistribution(GUMBEL, tfd.StudentT([2.0] * 3, 0.0, 1.0)),
            ValueError,
            "as many columns as 'GumbelCopula' joins, 2, received 3",
        ),
        (
            lambda: ours.CopulaDistribution(GUMBEL, tfd.Normal(0.0, 1.0)),
            ValueError,
            "received 1",
        ),
        (
            lambda: ours.CopulaDistribution(GUMBEL, [tfd.Pareto([2.0, 2.0], 1.0)]),
            ValueError,
            "'Pareto' .* has no quantile.*WithQuantile",
        ),
        (
            lambda: ours.CopulaDistribution(GUMBEL, tfd.Poisson([2.0, 3.0])),
            ValueError,
            "marginal 0 .*'Poisson' .* received a discrete one.*Dequantized",
        ),
        (
            lambda: ours.CopulaDistribution(
                GUMBEL, [tfd.Normal(0.0, 1.0), tfd.Skellam(2.0, 3.0)]
            ),
            ValueError,
            "marginal 1 .*'Skellam' .* received a discrete one",
        ),
        (
            lambda: ours.WithQuantile(tfd.Categorical([0.0, 1.0])),
            ValueError,
            "WithQuantile, 'Categorical' .* received a discrete one",
        ),
        (
            lambda: ours.WithQuantile(
                tfd.MixtureSameFamily(
                    tfd.Categorical([0.0, 1.0]), tfd.Poisson([1, 2.0])
                )
            ),
            ValueError,
            "received a discrete one",
        ),
        (
            lambda: ours.CopulaDistribution(
                GUMBEL, [tfd.NormalInverseGaussian([0.0, 0.0], 1.0, 0.5, 1.0)]
            ),
            ValueError,
            "has no cdf",
        ),
        (
            lambda: ours.CopulaDistribution(
                GUMBEL, tfd.MultivariateNormalDiag([0.0, 0.0])
            ),
            ValueError,
            "expected a distribution of scalars",
        ),
        (
            lambda: ours.CopulaDistribution(GUMBEL, student_t(2.0, 2.0)),
            ValueError,
            "dtype float32, received float64",
        ),
        (
            lambda: ours.CopulaDistribution(tfd.Normal(0.0, 1.0), GUMBEL),
            TypeError,
            "expected a copula",
        ),
        (
            lambda: ours.CopulaDistribution(GUMBEL, ["normal", "normal"]),
            TypeError,
            "received str",
        ),
        (
            lambda: ours.GeneralizedParetoTails(tfd.Normal(0.0, 1.0), -0.1, 0.1),
            ValueError,
            "concentration ≥ 0",
        ),
        (
            lambda: ours.GeneralizedParetoTails(
                tfd.Normal(0.0, 1.0), 0.1, 0.1, tail_probability=0.7
            ),
            ValueError,
            "between 0 and 0.5",
        ),
        (
            lambda: ours.WithQuantile(tfd.MultivariateNormalDiag([0.0])),
            ValueError,
            "distribution of scalars",
        ),
    ],
)
def test_bad_parts_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()
