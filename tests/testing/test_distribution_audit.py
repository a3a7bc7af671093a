"""check_distribution passes lawful densities and names the law a broken one breaks."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from tests.testing import broken
from tfp_flows.testing import DISTRIBUTION_LAWS, check_distribution

tfb, tfd = tfp.bijectors, tfp.distributions


def failed(distribution, x=None, **options):
    options = {"jit": False, "num_samples": 5000, "raise_on_failure": False} | options
    return set(check_distribution(distribution, x, **options).failed)


def standard(size):
    return tfd.MultivariateNormalDiag(np.zeros(size, np.float32))


def pushed(bijector, size=2):
    return tfd.TransformedDistribution(standard(size), bijector)


def mixture(size, spread):
    locations = np.zeros([2, size], np.float32)
    locations[:, 0] = [-spread, spread]
    parts = tfd.MultivariateNormalDiag(tf.Variable(locations), np.full(size, 0.7, "f4"))
    return tfd.MixtureSameFamily(tfd.Categorical(logits=[0.0, 1.0]), parts)


def triangular(size):
    scale = np.tril(np.full([size, size], 0.3)) + np.eye(size)
    return tfd.MultivariateNormalTriL(tf.Variable(np.zeros(size)), scale)


LAWFUL = {
    "Normal": (lambda: tfd.Normal(tf.Variable(0.0), tf.Variable(2.0)), {}),
    "batch of Normals": (lambda: tfd.Normal(tf.Variable([0.0, 9.0]), 2.0), {}),
    "Cauchy": (lambda: tfd.Cauchy(0.0, 1.0), {}),
    "Uniform": (lambda: tfd.Uniform(1.0, 4.0), {}),
    "Exponential": (lambda: tfd.Exponential(3.0), {"support": tfb.Softplus()}),
    "Dirichlet": (
        lambda: tfd.Dirichlet([2.0, 1.0, 3.0]),
        {"support": tfb.IteratedSigmoidCentered(), "jit": False},
    ),
    "MultivariateNormalTriL": (lambda: triangular(3), {}),
    "five dimensions": (lambda: triangular(5), {"num_samples": 4000}),
    "MixtureSameFamily": (lambda: mixture(2, 4.0), {}),
    "mixture in four dimensions": (lambda: mixture(4, 1.5), {"jit": False}),
    "RealNVP": (lambda: pushed(broken.coupling()), {}),
}


@pytest.mark.parametrize("name", LAWFUL)
def test_lawful_distribution_passes(name):
    make, options = LAWFUL[name]
    assert check_distribution(make(), **options).passed


BROKEN = {
    broken.Unnormalized: {"normalization"},
    broken.WideSampler: {"samples_match_density"},
    broken.ShiftedSampler: {"samples_match_density"},
    broken.SwappedSampler: {"samples_match_density"},
    broken.Unseeded: {"sample_seed", "graph"},
    broken.FixedSeed: {"sample_seed"},
    broken.DoubleLogProb: {"dtypes"},
    broken.StaleNormalizer: {"weight_update"},
}


@pytest.mark.parametrize("distribution", BROKEN, ids=lambda kind: kind.__name__)
def test_broken_distribution_fails_its_law_alone(distribution):
    assert failed(distribution()) == BROKEN[distribution]


def test_base_of_the_broken_distributions_is_lawful():
    assert failed(broken.Gaussian()) == set()


@pytest.mark.parametrize(
    ("bijector", "laws"),
    [
        (broken.WrongSign, {"normalization"}),
        (broken.WrongInverse, {"samples_match_density"}),
    ],
)
def test_fault_of_a_bijector_is_found_in_the_density(bijector, laws):
    distribution = pushed(tfb.Chain([bijector()]))
    x = distribution.sample(4, seed=[0, 1])
    # The cache of TFP answers the log-density of a sample, whatever the inverse.
    assert np.allclose(distribution.log_prob(x), standard(2).log_prob(x - 1)) == (
        bijector is broken.WrongInverse
    )
    assert failed(distribution) == laws


def test_faults_are_found_by_importance_sampling():
    assert failed(broken.SwappedSampler(5)) == {"samples_match_density"}
    report = check_distribution(
        pushed(broken.WrongSign(), 5), jit=False, raise_on_failure=False
    )
    assert report.failed == ("normalization",)
    assert "importance sampling" in report["normalization"].message


def test_network_in_a_closure_is_untracked():
    distribution = pushed(broken.coupling(tracked=False))
    assert failed(distribution) == {"variables_tracked"}


def test_detached_variable_of_a_part():
    distribution = tfd.TransformedDistribution(
        tfd.MultivariateNormalDiag(np.zeros(2)), broken.Detached()
    )
    assert failed(distribution) == {"gradients", "weight_update"}


def test_variable_beside_the_parameters_of_a_stock_class_is_lost():
    # tfb.Shift is a composite tensor: a distribution that holds it sees nothing but
    # its constructor's arguments.
    bijector = broken.ShiftWithAttribute()
    assert len(bijector.trainable_variables) == 1
    assert failed(pushed(bijector)) == {"variables_tracked"}


def test_log_prob_of_wrong_shape():
    assert "log_prob_shapes" in failed(broken.WrongShape())


def test_samples_of_wrong_shape():
    x = np.zeros([3], np.float32)
    assert "sample_shapes" in failed(broken.WrongSampleShape(), x)


def test_sampler_that_does_not_compile_under_xla():
    assert failed(broken.UncompiledSampler(), jit=True) == {"sample_xla"}
    assert failed(broken.UncompiledSampler(), jit=False) == set()


def test_what_does_not_compile_under_xla():
    distribution = tfd.TransformedDistribution(
        tfd.MultivariateNormalDiag(np.zeros(2)), broken.Slogdet()
    )
    assert failed(distribution, jit=True) == {"xla"}


def test_context_is_taken_row_by_row():
    distribution = tfd.TransformedDistribution(
        tfd.MultivariateNormalDiag(np.zeros(2)), broken.ContextShift()
    )
    context = np.array([[1.0, 2.0], [3.0, 4.0], [0.0, 9.0]])
    kwargs = {"bijector_kwargs": {"context": context}}
    assert check_distribution(distribution, kwargs=kwargs).passed
    x = np.random.default_rng(0).normal(size=[3, 2])
    assert check_distribution(distribution, x, kwargs=kwargs, jit=False).passed


def test_density_on_a_surface_is_not_integrated():
    report = check_distribution(tfd.Dirichlet([2.0, 1.0, 3.0]), jit=False)
    assert report.not_checked[:2] == ("normalization", "samples_match_density")


def test_undecided_integral_is_a_failure_with_advice():
    # tfd.Exponential has a growing log_prob outside its support.
    report = check_distribution(tfd.Exponential(3.0), jit=False, raise_on_failure=False)
    assert report.failed == ("normalization", "samples_match_density")
    assert "give `support`" in report["normalization"].message


@pytest.mark.parametrize(
    ("distribution", "x", "error", "words"),
    [
        (tfd.Bernoulli(0.5), None, TypeError, "floating dtype"),
        (
            tfd.JointDistributionSequential([tfd.Normal(0.0, 1.0)]),
            None,
            TypeError,
            "one by one",
        ),
        (standard(2), np.zeros([4, 3], np.float32), ValueError, "ending in"),
    ],
)
def test_wrong_arguments(distribution, x, error, words):
    with pytest.raises(error, match=words):
        check_distribution(distribution, x)


def test_every_law_is_broken_by_some_object():
    named = set().union(*BROKEN.values())
    elsewhere = {
        "gradients",
        "log_prob_shapes",
        "sample_shapes",
        "sample_xla",
        "variables_tracked",
        "xla",
    }
    assert named | elsewhere == set(DISTRIBUTION_LAWS)
