"""Every exported distribution."""

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tests.cases.case import Case
from tfp_flows import distributions

tfb, tfd = tfp.bijectors, tfp.distributions


def normal(size, scale=3.0):
    return tfd.MultivariateNormalDiag(np.zeros(size), np.full(size, scale))


def mixture(size):
    """Three clusters, found by EM."""
    rng = np.random.default_rng(0)
    centers = 4 * rng.normal(size=[3, size])
    made = distributions.GaussianMixture(size, num_components=4, dtype="float64")
    made.initialize(centers.repeat(60, axis=0) + rng.normal(size=[180, size]))
    return made


def correlated(size):
    return distributions.correlation_factor(0.5 + 0.5 * np.eye(size), "float64")


def softplus(value, low):
    """A trainable number above `low`."""
    return tfp.util.TransformedVariable(
        tf.constant(value, "float64"), tfb.Softplus(low=tf.constant(low, "float64"))
    )


def trainable_factor(size):
    return tfp.util.TransformedVariable(correlated(size), tfb.CorrelationCholesky())


def student_t(*df):
    return tfd.StudentT(np.array(df), np.zeros(len(df)), np.ones(len(df)))


def two_normals(*batch):
    centers = np.broadcast_to([-2.0, 3.0], [*batch, 2])
    weights = tfd.Categorical(probs=np.broadcast_to([0.3, 0.7], [*batch, 2]))
    return distributions.WithQuantile(
        tfd.MixtureSameFamily(weights, tfd.Normal(centers, np.float64(1.0)))
    )


def copula_of_mixed_marginals():
    laplace = tfd.Laplace(np.zeros(2), np.array([1.0, 2.0]))
    marginals = [tfd.Normal(np.float64(1.0), np.float64(2.0)), laplace]
    factor = correlated(3)
    return distributions.CopulaDistribution(
        distributions.GaussianCopula(factor, dtype="float64"), marginals
    )


def multivariate_t():
    df = softplus(4.0, 0.1)
    return distributions.CopulaDistribution(
        distributions.StudentTCopula(df, trainable_factor(2)),
        tfd.StudentT(df, np.zeros(2), np.ones(2)),
    )


def boosted():
    """Three families, a weight for each as a variable of its own."""
    shift = tfb.Shift(tf.Variable([2.0, -1.0], dtype="float64"))
    moved = tfd.TransformedDistribution(normal(2, 0.7), shift)
    student = tfd.Independent(student_t(4.0, 6.0), 1)
    logits = [tf.Variable(value, dtype="float64") for value in (0.0, -1.0, 0.5)]
    return distributions.BoostedMixture([mixture(2), moved, student], logits=logits)


def boosted_single():
    return distributions.BoostedMixture([mixture(2)])


F64 = {"dtype": "float64"}

# Densities on the cube, audited in R^D through the sigmoid.
COPULAS = [
    Case(
        "IndependenceCopula", lambda: distributions.IndependenceCopula(2, **F64), (2,)
    ),
    Case("GaussianCopula", lambda: distributions.GaussianCopula(correlated(3), **F64)),
    Case(
        "GaussianCopula[trainable]",
        lambda: distributions.GaussianCopula(trainable_factor(2)),
        (2,),
    ),
    Case(
        "StudentTCopula[trainable]",
        lambda: distributions.StudentTCopula(softplus(4.0, 0.1), trainable_factor(2)),
        (2,),
    ),
    Case("ClaytonCopula", lambda: distributions.ClaytonCopula(2.0, 3, **F64)),
    Case(
        "ClaytonCopula[trainable]",
        lambda: distributions.ClaytonCopula(softplus(2.0, 1e-4), 2),
        (2,),
    ),
    Case("GumbelCopula", lambda: distributions.GumbelCopula(1.5, 3, **F64)),
    Case(
        "GumbelCopula[trainable]",
        lambda: distributions.GumbelCopula(softplus(2.5, 1.0), 2),
        (2,),
    ),
    Case("FrankCopula", lambda: distributions.FrankCopula(3.0, 3, **F64)),
    Case("FrankCopula[θ < 0]", lambda: distributions.FrankCopula(-3.0, 2, **F64), (2,)),
    Case(
        "FrankCopula[trainable]",
        lambda: distributions.FrankCopula(softplus(3.0, 1e-4), 2),
        (2,),
    ),
    Case(
        "JoeCopula[trainable]",
        lambda: distributions.JoeCopula(softplus(2.5, 1.0)),
        (2,),
    ),
]
BASES = [
    Case("CopulaDistribution[mixed marginals]", copula_of_mixed_marginals),
    Case("CopulaDistribution[multivariate t]", multivariate_t, (2,)),
    Case(
        "CopulaDistribution[Gumbel, t]",
        lambda: distributions.CopulaDistribution(
            distributions.GumbelCopula(softplus(2.5, 1.0), 2), student_t(2.5, 4.0)
        ),
        (2,),
    ),
    Case(
        "CopulaDistribution[Clayton, mixtures]",
        lambda: distributions.CopulaDistribution(
            distributions.ClaytonCopula(2.0, 2, **F64), two_normals(2)
        ),
        (2,),
    ),
    Case("WithQuantile", two_normals, ()),
    Case(
        "GeneralizedParetoTails",
        lambda: distributions.GeneralizedParetoTails(
            tfd.Normal(np.float64(0.5), np.float64(2.0)),
            softplus(0.4, 0.0),
            np.float64(0.0),
        ),
        (),
        spread=8.0,
    ),
]
DENSITIES = [
    Case("BoostedMixture", boosted, (2,)),
    Case("BoostedMixture[one component]", boosted_single, (2,)),
    Case("CenteredNormal", lambda: distributions.CenteredNormal(3, 1, **F64), (3, 1)),
    Case(
        "CenteredStudentT",
        lambda: distributions.CenteredStudentT(2, 2, softplus(5.0, 0.0), **F64),
        (2, 2),
    ),
    Case("GaussianMixture", lambda: mixture(2), (2,)),
    Case("GaussianMixture[D = 1]", lambda: mixture(1), (1,)),
    Case("GaussianMixture[five features]", lambda: mixture(5), (5,)),
]
GRIDDED = [
    Case("Dequantized", lambda: distributions.Dequantized(normal(2))),
    Case(
        "Dequantized[four draws]",
        lambda: distributions.Dequantized(normal(2), num_samples=4),
    ),
    Case(
        "Dequantized[one continuous]",
        lambda: distributions.Dequantized(normal(2), step=[1.0, 0.0]),
    ),
]
# Known by its draws alone: no law of a density holds.
IMPLICIT = [
    Case("ImplicitDistribution", lambda: distributions.ImplicitDistribution(2, **F64)),
    Case(
        "ImplicitDistribution[blocks]",
        lambda: distributions.ImplicitDistribution(3, block_sizes=[2, 1], **F64),
    ),
]
# Probabilities of what no point of the audit is; audited by sums in a file of its own.
DISCRETE = [Case("NodeFeatures", lambda: distributions.NodeFeatures(normal(6), 3, 2))]
CASES = DENSITIES + COPULAS + BASES + GRIDDED + IMPLICIT + DISCRETE
