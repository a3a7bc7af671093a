"""Copulas against the public audit, other packages and 40-digit references."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from scipy import special, stats

from tests.cases.case import parametrize
from tests.cases.distributions import COPULAS, correlated, softplus
from tests.weights import perturb
from tfp_flows import distributions as ours
from tfp_flows.testing import check_distribution

F64 = {"dtype": "float64"}


def families(size, dtype="float64"):
    factor = tf.cast(correlated(size), dtype)
    made = {
        "clayton": ours.ClaytonCopula(2.0, size, dtype=dtype),
        "gumbel": ours.GumbelCopula(2.5, size, dtype=dtype),
        "frank": ours.FrankCopula(3.0, size, dtype=dtype),
        "gaussian": ours.GaussianCopula(factor, dtype=dtype),
        "student": ours.StudentTCopula(4.0, factor, dtype=dtype),
    }
    if size == 2:
        made["joe"] = ours.JoeCopula(2.5, dtype=dtype)
    return made


@pytest.mark.parametrize(**parametrize(COPULAS))
def test_copula_passes_the_public_audit(case):
    copula = case.make()
    perturb(copula, scale=0.05)
    check_distribution(
        copula,
        special.expit(case.points()),
        support=tfp.bijectors.Sigmoid(),
        num_samples=1500,
    )


# ln c by 60-digit differentiation of ψ(Σ ψ⁻¹(uᵢ)), or from the joint density, at
# u = (0.3, 0.6), (0.3, 0.6, 0.9) and (0.05, 0.3, 0.6, 0.9, 0.99).
POINTS = {2: [0.3, 0.6], 3: [0.3, 0.6, 0.9], 5: [0.05, 0.3, 0.6, 0.9, 0.99]}
REFERENCES = {
    ("clayton", 2): -0.14790646148147343919,
    ("gumbel", 2): -0.17812059884050324724,
    ("frank", 2): -0.076995897248532602539,
    ("joe", 2): -0.022425224003685596454,
    ("gaussian", 2): -0.001259306358409341332,
    ("student", 2): 0.0018502865620589636383,
    ("clayton", 3): -0.84187725049181307281,
    ("gumbel", 3): -2.4598998370071141827,
    ("frank", 3): -0.53669038589404457433,
    ("gaussian", 3): -0.38892731268692961309,
    ("student", 3): -0.64344298603361325454,
    ("clayton", 5): -11.788537637145493312,
    ("gumbel", 5): -12.872007411014938524,
    ("frank", 5): -2.897585393128999399,
    ("gaussian", 5): -3.7353685442253956328,
    ("student", 5): -1.8599672172338199884,
}


@pytest.mark.parametrize(("family", "size"), REFERENCES)
def test_density_has_the_digits_of_a_long_computation(family, size):
    found = families(size)[family].log_prob(POINTS[size])
    np.testing.assert_allclose(found, REFERENCES[family, size], atol=1e-11)


@pytest.mark.parametrize("family", families(2))
def test_density_tau_and_conditional_cdf_are_those_of_pyvinecopulib(family):
    vine = pytest.importorskip("pyvinecopulib")
    numbers = {
        "clayton": [2.0],
        "gumbel": [2.5],
        "frank": [3.0],
        "joe": [2.5],
        "gaussian": [0.5],
        "student": [0.5, 4.0],
    }[family]
    theirs = vine.Bicop(
        family=getattr(vine.families, family),
        parameters=np.array(numbers)[:, np.newaxis],
    )
    copula = families(2)[family]
    u = np.asfortranarray(np.random.default_rng(0).uniform(size=[300, 2]))
    np.testing.assert_allclose(copula.log_prob(u), np.log(theirs.pdf(u)), atol=1e-10)
    tau = theirs.parameters_to_tau(theirs.parameters)
    np.testing.assert_allclose(copula.kendall_tau[0, 1], tau, atol=1e-9)
    w = copula.rosenblatt(u).numpy()
    np.testing.assert_allclose(w[:, 1], theirs.hfunc1(u), atol=1e-10)


@pytest.mark.parametrize("size", [2, 3])
def test_density_is_that_of_statsmodels(size):
    theirs = pytest.importorskip("statsmodels.distributions.copula.api")
    u = np.random.default_rng(1).uniform(size=[200, size])
    pairs = {
        "clayton": theirs.ClaytonCopula(2.0, k_dim=size),
        "gumbel": theirs.GumbelCopula(2.5, k_dim=size),
        "frank": theirs.FrankCopula(3.0, k_dim=size),
        "student": theirs.StudentTCopula(
            corr=0.5 + 0.5 * np.eye(size), df=4, k_dim=size
        ),
    }
    for family, reference in pairs.items():
        found = families(size)[family].log_prob(u)
        np.testing.assert_allclose(found, np.log(reference.pdf(u)), atol=1e-9)


@pytest.mark.parametrize("size", [2, 3, 5])
def test_samples_have_uniform_marginals_the_tau_and_uniform_conditionals(size):
    for family, copula in families(size).items():
        u = copula.sample(8000, seed=(1, 2)).numpy()
        for column in u.T:
            assert stats.kstest(column, "uniform").pvalue > 1e-4, family
        tau = stats.kendalltau(u[:, 0], u[:, -1]).statistic
        assert abs(tau - copula.kendall_tau[0, -1]) < 0.03, family
        w = copula.rosenblatt(u).numpy()
        for column in w.T:
            assert stats.kstest(column, "uniform").pvalue > 1e-4, family
        assert abs(np.corrcoef(w.T) - np.eye(size)).max() < 0.05, family


@pytest.mark.parametrize("size", [2, 3, 5])
def test_inverse_conditional_cdf_undoes_the_conditional_cdf(size):
    u = np.random.default_rng(2).uniform(0.01, 0.99, size=[100, size])
    closed = ["clayton", "gaussian", "student", *(["frank"] if size == 2 else [])]
    for family in closed:
        copula = families(size)[family]
        back = copula.inverse_rosenblatt(copula.rosenblatt(u))
        np.testing.assert_allclose(back, u, atol=1e-8, err_msg=family)


@pytest.mark.parametrize(
    "copula",
    [ours.GumbelCopula(2.0, 2), ours.FrankCopula(2.0, 3), ours.JoeCopula(2.0)],
    ids=lambda copula: copula.name,
)
def test_a_family_without_closed_inverse_names_those_that_have_one(copula):
    label = f"{copula.name} in {copula.dimension} dimensions"
    with pytest.raises(NotImplementedError, match=f"{label}.*ClaytonCopula"):
        copula.inverse_rosenblatt([0.2] * copula.dimension)


@pytest.mark.parametrize(
    ("df", "correlation", "expected"),
    [(4, 0.5, 0.253170), (2, 0.5, 0.391002), (1, 0.0, 0.292893), (10, 0.7, 0.191054)],
)
def test_tail_dependence_of_student_t_is_the_published_one(df, correlation, expected):
    factor = ours.correlation_factor([[1, correlation], [correlation, 1]], "float64")
    found = ours.StudentTCopula(float(df), factor, **F64).tail_dependence
    np.testing.assert_allclose(found.lower[0, 1], expected, atol=1e-6)
    np.testing.assert_allclose(found.upper[0, 1], expected, atol=1e-6)
    assert found.upper[0, 0] == 1


def test_tail_dependence_is_that_of_the_samples():
    """P(V > 1 − q | U > 1 − q) at q = 0.002, and likewise below."""
    # The coefficient is the limit q → 0. Where it is 0 it is approached slowly: the
    # values at q are those of pyvinecopulib.
    at_q = {"gumbel": (None, 0.1373), "gaussian": (0.0703, 0.0703)}
    at_q |= {"frank": (0.0063, 0.0063), "clayton": (0.0060, None)}
    at_q |= {"joe": (None, 0.0050)}
    for family, copula in families(2).items():
        u = copula.sample(400_000, seed=(3, 4)).numpy()
        q = 0.002
        upper, lower = at_q.get(family, (None, None))
        coefficients = copula.tail_dependence
        for rows, known, coefficient in (
            (1 - u, upper, coefficients.upper[0, 1]),
            (u, lower, coefficients.lower[0, 1]),
        ):
            found = np.mean((rows < q).all(axis=1)) / q
            expected = coefficient if known is None else known
            assert abs(found - expected) < 0.05, family


def test_limits_are_independence():
    u = np.random.default_rng(3).uniform(size=[50, 3])
    for copula in (
        ours.ClaytonCopula(1e-7, 3, **F64),
        ours.FrankCopula(1e-7, 3, **F64),
        ours.GumbelCopula(1.0, 3, **F64),
        ours.GaussianCopula(np.eye(3), **F64),
    ):
        np.testing.assert_allclose(copula.log_prob(u), 0, atol=1e-5)
    np.testing.assert_allclose(
        ours.JoeCopula(1.0, **F64).log_prob(u[:, :2]), 0, atol=1e-12
    )
    for copula in (ours.GumbelCopula(1.0, 2), ours.JoeCopula(1.0)):
        drawn = copula.sample(4000, seed=(0, 1)).numpy()
        assert np.isfinite(drawn).all()
        assert abs(stats.kendalltau(*drawn.T).statistic) < 0.04


@pytest.mark.parametrize("size", [64, 150])
def test_gumbel_and_frank_are_finite_in_many_dimensions_in_float32(size):
    u = np.random.default_rng(4).uniform(0.01, 0.99, size=[20, size])
    for family in ("gumbel", "frank", "clayton"):
        single = families(size, "float32")[family].log_prob(u.astype("float32"))
        double = families(size)[family].log_prob(u)
        np.testing.assert_allclose(single, double, rtol=2e-4, atol=2e-2)


def test_density_has_the_gradient_of_finite_differences():
    u = np.random.default_rng(5).uniform(0.05, 0.95, size=[20, 2])
    makers = {
        "clayton": lambda t: ours.ClaytonCopula(t, 2),
        "gumbel": lambda t: ours.GumbelCopula(t, 2),
        "frank": lambda t: ours.FrankCopula(t, 2),
        "joe": lambda t: ours.JoeCopula(t),
        "student": lambda t: ours.StudentTCopula(t, correlated(2), **F64),
    }
    for family, make in makers.items():
        theta = tf.Variable(2.3, dtype="float64")
        copula = make(theta)
        with tf.GradientTape() as tape:
            value = tf.reduce_sum(copula.log_prob(u))
        gradient = tape.gradient(value, theta)
        ends = []
        for step in (1e-5, -1e-5):
            theta.assign(2.3 + step)
            ends.append(tf.reduce_sum(copula.log_prob(u)))
        difference = (ends[0] - ends[1]) / 2e-5
        np.testing.assert_allclose(gradient, difference, rtol=1e-5, err_msg=family)


def test_reparameterized_samples_have_the_gradient_of_finite_differences():
    makers = {
        "clayton": lambda t: ours.ClaytonCopula(t, 3),
        "gumbel": lambda t: ours.GumbelCopula(t, 3),
        "frank": lambda t: ours.FrankCopula(t, 2),
    }
    for family, make in makers.items():
        theta = tf.Variable(2.3, dtype="float64")
        copula = make(theta)
        assert copula.reparameterization_type == tfp.distributions.FULLY_REPARAMETERIZED

        def moment(copula=copula):
            u = copula.sample(500, seed=(1, 2))
            return tf.reduce_mean(u[:, 0] * u[:, 1])

        with tf.GradientTape() as tape:
            value = moment()
        gradient = tape.gradient(value, theta)
        ends = []
        for step in (1e-5, -1e-5):
            theta.assign(2.3 + step)
            ends.append(moment())
        difference = (ends[0] - ends[1]) / 2e-5
        np.testing.assert_allclose(gradient, difference, rtol=1e-5, err_msg=family)


def test_what_is_not_reparameterized_says_so():
    for copula in (ours.JoeCopula(2.0), ours.FrankCopula(2.0, 3)):
        kind = copula.reparameterization_type
        assert kind == tfp.distributions.NOT_REPARAMETERIZED


def test_likelihood_finds_the_parameter_again():
    """With no flow between: behind one the parameter would not be identified."""
    u = ours.GumbelCopula(2.5, 2, **F64).sample(4000, seed=(5, 6))
    theta = softplus(1.5, 1.0)
    copula = ours.GumbelCopula(theta, 2)
    optimizer = tf.keras.optimizers.Adam(0.1)
    for _ in range(120):
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(copula.log_prob(u))
        gradients = tape.gradient(loss, copula.trainable_variables)
        optimizer.apply_gradients(
            zip(gradients, copula.trainable_variables, strict=True)
        )
    assert abs(float(tf.convert_to_tensor(theta)) - 2.5) < 0.12


def test_outside_of_the_cube_the_density_is_zero():
    for copula in families(2).values():
        found = copula.log_prob([[-0.1, 0.5], [0.5, 1.2], [0.0, 0.5]])
        np.testing.assert_array_equal(found, -np.inf)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ours.GumbelCopula(0.9, 2), "theta of GumbelCopula: expected .* ≥ 1"),
        (lambda: ours.ClaytonCopula(0.0, 2), "> 0, received 0"),
        (lambda: ours.ClaytonCopula([1.0, 2.0], 2), "one number, received shape"),
        (lambda: ours.FrankCopula(-1.0, 3), "in 3 dimensions: expected .* > 0"),
        (lambda: ours.FrankCopula(0.0, 2), "other than 0"),
        (lambda: ours.JoeCopula(2.0, 3), "expected dimension 2, received 3"),
        (lambda: ours.GumbelCopula(np.nan, 2), "a finite number, received nan"),
        (lambda: ours.ClaytonCopula(1.0, 1), "at least two variables"),
        (lambda: ours.GaussianCopula(np.eye(3) * 2), "rows of unit norm"),
        (lambda: ours.GaussianCopula(np.ones(3)), r"expected shape \[D, D\]"),
        (lambda: ours.StudentTCopula(0.0, np.eye(2)), "df of StudentTCopula"),
        (lambda: ours.correlation_factor([[1, 2], [2, 1]]), "not positive definite"),
        (lambda: ours.correlation_factor([[2, 0], [0, 1]]), "with the diagonal"),
        (lambda: ours.correlation_factor([[1, 0.1], [0, 1]]), "not symmetric"),
        (lambda: ours.correlation_factor([1, 2]), r"not \[D, D\]"),
    ],
)
def test_bad_parameters_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (ours.GumbelCopula, "theta of GumbelCopula"),
        (lambda df, _: ours.StudentTCopula(df, np.eye(2)), "df of StudentTCopula"),
        (
            lambda *_: ours.StudentTCopula(3.0, keras.Variable(np.eye(2))),
            "correlation_cholesky of StudentTCopula: expected a matrix",
        ),
        (
            lambda *_: ours.GaussianCopula(keras.Variable(np.eye(2))),
            "correlation_cholesky of GaussianCopula: expected a matrix",
        ),
    ],
)
def test_a_keras_variable_that_would_not_train_is_refused(make, name):
    with pytest.raises(TypeError, match=name + r".*keras\.Variable.*`\.value`"):
        make(keras.Variable(2.0), 2)


def test_the_value_of_a_keras_variable_trains():
    factor = keras.Variable([[1.0, 0.0], [0.6, 0.8]])
    copula = ours.GaussianCopula(factor.value)
    with tf.GradientTape() as tape:
        log_prob = copula.log_prob([[0.2, 0.3]])
    assert np.any(tape.gradient(log_prob, factor.value))
