"""Every distribution and bijector that TFP exports, with variables where it has some.

A name in brackets is a variant; what no model can hold stands in `NO_PART`, with why.
"""

import numpy as np
import tensorflow as tf
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd
from tensorflow_probability import math as tfm

V = tf.Variable
EYE = np.eye(2, dtype="float32")


def normal(size=2):
    return tfd.MultivariateNormalDiag(tf.zeros([size]), tf.ones([size]))


def lower():
    return tf.linalg.LinearOperatorLowerTriangular(V([[1.0, 0.0], [0.3, 2.0]]))


def kernel():
    return tfm.psd_kernels.ExponentiatedQuadratic(V(1.5), V(0.7))


def masked_network(**options):
    return tfb.AutoregressiveNetwork(2, event_shape=[2], hidden_units=[4], **options)


def image_flow():
    return tfb.Glow(
        output_shape=(4, 4, 1),
        num_glow_blocks=1,
        num_steps_per_block=1,
        coupling_bijector_fn=tfb.GlowDefaultNetwork,
        exit_bijector_fn=tfb.GlowDefaultExitNetwork,
    )


POINTS = np.array([[-1.0], [0.0], [1.0]], "float32")
PAIR = [0.3, -0.2]
POSITIVE = [0.3, 1.2]

DISTRIBUTIONS = {
    "BatchBroadcast": lambda: tfd.Independent(
        tfd.BatchBroadcast(tfd.Normal(V(0.3), 1.0), [2]), 1
    ),
    "BatchConcat": lambda: tfd.Independent(
        tfd.BatchConcat([tfd.Normal(V([0.3]), 1.0), tfd.Normal([0.0], 2.0)], axis=0), 1
    ),
    "BatchReshape": lambda: tfd.Independent(
        tfd.BatchReshape(tfd.Normal(V(PAIR), 1.0), [2, 1]), 2
    ),
    "Bates": lambda: tfd.Bates(3.0, 0.0, V(1.5)),
    "Bernoulli": lambda: tfd.Bernoulli(logits=V(0.3)),
    "Beta": lambda: tfd.Beta(V(1.5), 2.0),
    "BetaBinomial": lambda: tfd.BetaBinomial(4.0, V(1.5), 2.0),
    "BetaQuotient": lambda: tfd.BetaQuotient(V(2.0), 3.0, 2.0, 3.0),
    "Binomial": lambda: tfd.Binomial(4.0, logits=V(0.3)),
    "Blockwise": lambda: tfd.Blockwise(
        tfd.JointDistributionSequential([tfd.Normal(V(0.3), 1.0), normal()])
    ),
    "Categorical": lambda: tfd.Categorical(logits=V([0.0, 1.0, 0.0])),
    "Cauchy": lambda: tfd.Cauchy(V(0.3), 1.0),
    "Chi": lambda: tfd.Chi(V(3.0)),
    "Chi2": lambda: tfd.Chi2(V(3.0)),
    "CholeskyLKJ": lambda: tfd.CholeskyLKJ(3, V(1.5)),
    "ContinuousBernoulli": lambda: tfd.ContinuousBernoulli(logits=V(0.3)),
    "DeterminantalPointProcess": lambda: tfd.DeterminantalPointProcess(
        V([1.0, 2.0]), EYE
    ),
    "Deterministic": lambda: tfd.Deterministic(V(0.3)),
    "Dirichlet": lambda: tfd.Dirichlet(V([1.5, 2.0, 3.0])),
    "DirichletMultinomial": lambda: tfd.DirichletMultinomial(4.0, V([1.5, 2.0])),
    "DoublesidedMaxwell": lambda: tfd.DoublesidedMaxwell(V(0.3), 1.0),
    "Empirical": lambda: tfd.Empirical(V([0.0, 1.0, 1.0])),
    "ExpGamma": lambda: tfd.ExpGamma(V(1.5), 2.0),
    "ExpInverseGamma": lambda: tfd.ExpInverseGamma(V(1.5), 2.0),
    "ExpRelaxedOneHotCategorical": lambda: tfd.ExpRelaxedOneHotCategorical(
        0.5, logits=V([0.0, 1.0])
    ),
    "Exponential": lambda: tfd.Exponential(V(1.5)),
    "ExponentiallyModifiedGaussian": lambda: tfd.ExponentiallyModifiedGaussian(
        V(0.3), 1.0, 2.0
    ),
    "FiniteDiscrete": lambda: tfd.FiniteDiscrete([0.0, 1.0], logits=V([0.0, 1.0])),
    "Gamma": lambda: tfd.Gamma(V(1.5), 2.0),
    "GammaGamma": lambda: tfd.GammaGamma(V(1.5), 2.0, 1.0),
    "GaussianProcess": lambda: tfd.GaussianProcess(kernel(), POINTS),
    "GaussianProcessRegressionModel": lambda: tfd.GaussianProcessRegressionModel(
        kernel(), POINTS, POINTS[:1] + 0.5, np.float32([1.0])
    ),
    "GeneralizedExtremeValue": lambda: tfd.GeneralizedExtremeValue(V(0.3), 1.0, 0.1),
    "GeneralizedNormal": lambda: tfd.GeneralizedNormal(V(0.3), 1.0, 1.5),
    "GeneralizedPareto": lambda: tfd.GeneralizedPareto(0.0, V(1.5), 0.1),
    "Geometric": lambda: tfd.Geometric(logits=V(0.3)),
    "Gumbel": lambda: tfd.Gumbel(V(0.3), 1.0),
    "HalfCauchy": lambda: tfd.HalfCauchy(0.0, V(1.5)),
    "HalfNormal": lambda: tfd.HalfNormal(V(1.5)),
    "HalfStudentT": lambda: tfd.HalfStudentT(3.0, 0.0, V(1.5)),
    "HiddenMarkovModel": lambda: tfd.HiddenMarkovModel(
        tfd.Categorical(logits=V([0.0, 1.0])),
        tfd.Categorical(logits=[[0.0, 1.0], [1.0, 0.0]]),
        tfd.Normal(V(PAIR), 1.0),
        3,
    ),
    "Horseshoe": lambda: tfd.Horseshoe(V(1.5)),
    "Independent": lambda: tfd.Independent(tfd.Normal(V(PAIR), 1.0), 1),
    "Inflated": lambda: tfd.Inflated(tfd.Poisson(V(1.5)), inflated_loc_probs=V(0.2)),
    "InverseGamma": lambda: tfd.InverseGamma(V(1.5), 2.0),
    "InverseGaussian": lambda: tfd.InverseGaussian(V(1.5), 2.0),
    "JohnsonSU": lambda: tfd.JohnsonSU(V(0.3), 1.5, 0.0, 1.0),
    "Kumaraswamy": lambda: tfd.Kumaraswamy(V(1.5), 2.0),
    "LKJ": lambda: tfd.LKJ(3, V(1.5)),
    "LambertWDistribution": lambda: tfd.LambertWDistribution(
        tfd.Normal(0.3, 1.5), 0.3, 1.5, V(0.1)
    ),
    "LambertWNormal": lambda: tfd.LambertWNormal(V(0.3), 1.5, 0.1),
    "Laplace": lambda: tfd.Laplace(V(0.3), 1.0),
    "LinearGaussianStateSpaceModel": lambda: tfd.LinearGaussianStateSpaceModel(
        3, V(0.5 * EYE), normal(), V([[1.0, 0.0]]), normal(1), normal()
    ),
    "LogLogistic": lambda: tfd.LogLogistic(V(0.3), 1.0),
    "LogNormal": lambda: tfd.LogNormal(V(0.3), 1.0),
    "Logistic": lambda: tfd.Logistic(V(0.3), 1.0),
    "LogitNormal": lambda: tfd.LogitNormal(V(0.3), 1.0),
    "Masked": lambda: tfd.Masked(tfd.Normal(V(0.3), 1.0), True),
    "MatrixNormalLinearOperator": lambda: tfd.MatrixNormalLinearOperator(
        V(EYE), lower(), tf.linalg.LinearOperatorIdentity(2)
    ),
    "MatrixTLinearOperator": lambda: tfd.MatrixTLinearOperator(
        V(3.0), EYE, lower(), tf.linalg.LinearOperatorIdentity(2)
    ),
    "Mixture": lambda: tfd.Mixture(
        tfd.Categorical(logits=V([0.0, 1.0])),
        [tfd.Normal(V(0.3), 1.0), tfd.Normal(0.0, 2.0)],
    ),
    "MixtureSameFamily": lambda: tfd.MixtureSameFamily(
        tfd.Categorical(logits=V([0.0, 1.0])), tfd.Normal(V(PAIR), 1.0)
    ),
    "Moyal": lambda: tfd.Moyal(V(0.3), 1.0),
    "Multinomial": lambda: tfd.Multinomial(4.0, logits=V([0.0, 1.0])),
    "MultivariateNormalDiag": lambda: tfd.MultivariateNormalDiag(V(PAIR), V(POSITIVE)),
    "MultivariateNormalDiagPlusLowRank": lambda: tfd.MultivariateNormalDiagPlusLowRank(
        V(PAIR), V(POSITIVE), scale_perturb_factor=V([[0.1], [0.2]])
    ),
    "MultivariateNormalDiagPlusLowRankCovariance": (
        lambda: tfd.MultivariateNormalDiagPlusLowRankCovariance(
            V(PAIR), V(POSITIVE), V([[0.1], [0.2]])
        )
    ),
    "MultivariateNormalLinearOperator": lambda: tfd.MultivariateNormalLinearOperator(
        V(PAIR), lower()
    ),
    "MultivariateNormalTriL": lambda: tfd.MultivariateNormalTriL(V(PAIR), V(EYE)),
    "MultivariateStudentTLinearOperator": (
        lambda: tfd.MultivariateStudentTLinearOperator(V(3.0), V(PAIR), lower())
    ),
    "NegativeBinomial": lambda: tfd.NegativeBinomial(3.0, logits=V(0.3)),
    "NoncentralChi2": lambda: tfd.NoncentralChi2(3.0, V(1.5)),
    "Normal": lambda: tfd.Normal(V(0.3), V(1.5)),
    "NormalInverseGaussian": lambda: tfd.NormalInverseGaussian(V(0.3), 1.0, 2.0, 0.5),
    "OneHotCategorical": lambda: tfd.OneHotCategorical(logits=V([0.0, 1.0])),
    "OrderedLogistic": lambda: tfd.OrderedLogistic(V(PAIR[::-1]), 0.5),
    "PERT": lambda: tfd.PERT(0.0, V(1.5), 3.0),
    "Pareto": lambda: tfd.Pareto(V(1.5), 1.0),
    "PixelCNN": lambda: tfd.PixelCNN(
        (2, 2, 1), num_resnet=1, num_hierarchies=1, num_filters=2, num_logistic_mix=1
    ),
    "PlackettLuce": lambda: tfd.PlackettLuce(V([1.0, 2.0, 3.0])),
    "Poisson": lambda: tfd.Poisson(log_rate=V(0.3)),
    "PoissonLogNormalQuadratureCompound": (
        lambda: tfd.PoissonLogNormalQuadratureCompound(V(0.3), 1.0)
    ),
    "PowerSpherical": lambda: tfd.PowerSpherical([1.0, 0.0], V(1.5)),
    "ProbitBernoulli": lambda: tfd.ProbitBernoulli(V(0.3)),
    "QuantizedDistribution": lambda: tfd.QuantizedDistribution(tfd.Normal(V(0.3), 2.0)),
    "RelaxedBernoulli": lambda: tfd.RelaxedBernoulli(0.5, logits=V(0.3)),
    "RelaxedOneHotCategorical": lambda: tfd.RelaxedOneHotCategorical(
        0.5, logits=V([0.0, 1.0])
    ),
    "Sample": lambda: tfd.Sample(tfd.Normal(V(0.3), 1.0), [2]),
    "SigmoidBeta": lambda: tfd.SigmoidBeta(V(1.5), 2.0),
    "SinhArcsinh": lambda: tfd.SinhArcsinh(V(0.3), 1.0),
    "Skellam": lambda: tfd.Skellam(V(1.5), 2.0),
    "SphericalUniform": lambda: tfd.SphericalUniform(3),
    "StoppingRatioLogistic": lambda: tfd.StoppingRatioLogistic(V(PAIR[::-1]), 0.5),
    "StudentT": lambda: tfd.StudentT(V(3.0), 0.3, 1.0),
    "StudentTProcess": lambda: tfd.StudentTProcess(V(3.0), kernel(), POINTS),
    "StudentTProcessRegressionModel": lambda: tfd.StudentTProcessRegressionModel(
        V(3.0), kernel(), POINTS, POINTS[:1] + 0.5, np.float32([1.0])
    ),
    "Triangular": lambda: tfd.Triangular(0.0, V(2.0), 1.0),
    "TruncatedCauchy": lambda: tfd.TruncatedCauchy(V(0.3), 1.0, -1.0, 1.0),
    "TruncatedNormal": lambda: tfd.TruncatedNormal(V(0.3), 1.0, -1.0, 1.0),
    "TwoPieceNormal": lambda: tfd.TwoPieceNormal(V(0.3), 1.0, 1.5),
    "TwoPieceStudentT": lambda: tfd.TwoPieceStudentT(3.0, V(0.3), 1.0, 1.5),
    "Uniform": lambda: tfd.Uniform(0.0, V(2.0)),
    "VariationalGaussianProcess": lambda: tfd.VariationalGaussianProcess(
        kernel(),
        POINTS,
        POINTS[:2] + 0.5,
        V(PAIR),
        V(EYE),
        observation_noise_variance=0.1,
    ),
    "VectorDeterministic": lambda: tfd.VectorDeterministic(V(PAIR)),
    "VonMises": lambda: tfd.VonMises(V(0.3), 1.0),
    "VonMisesFisher": lambda: tfd.VonMisesFisher([1.0, 0.0], V(1.5)),
    "Weibull": lambda: tfd.Weibull(V(1.5), 2.0),
    "WishartLinearOperator": lambda: tfd.WishartLinearOperator(3.0, lower()),
    "WishartTriL": lambda: tfd.WishartTriL(3.0, V(EYE)),
    "Zipf": lambda: tfd.Zipf(V(2.5)),
}

# Name → the bijector and the shape of the event that it takes.
BIJECTORS = {
    "AbsoluteValue": (tfb.AbsoluteValue, [2]),
    "Ascending": (tfb.Ascending, [2]),
    "BatchNormalization": (lambda: tfb.BatchNormalization(training=False), [2]),
    "Blockwise": (
        lambda: tfb.Blockwise([tfb.Scale(V(2.0)), tfb.Shift(V(0.3))], [1, 1]),
        [2],
    ),
    "Chain": (lambda: tfb.Chain([tfb.Exp(), tfb.Scale(V(2.0))]), [2]),
    "CholeskyOuterProduct": (tfb.CholeskyOuterProduct, None),
    "CholeskyToInvCholesky": (tfb.CholeskyToInvCholesky, None),
    "CorrelationCholesky": (tfb.CorrelationCholesky, [3]),
    "Cumsum": (tfb.Cumsum, [2]),
    "DiscreteCosineTransform": (tfb.DiscreteCosineTransform, [2]),
    "Exp": (tfb.Exp, [2]),
    "Expm1": (tfb.Expm1, [2]),
    "FillScaleTriL": (tfb.FillScaleTriL, [3]),
    "FillTriangular": (tfb.FillTriangular, [3]),
    "FrechetCDF": (lambda: tfb.Invert(tfb.FrechetCDF(0.0, V(1.5))), "unit"),
    "GeneralizedExtremeValueCDF": (
        lambda: tfb.Invert(tfb.GeneralizedExtremeValueCDF(V(0.3), 1.0, 0.1)),
        "unit",
    ),
    "GeneralizedPareto": (lambda: tfb.GeneralizedPareto(0.0, V(1.5), 0.1), [2]),
    "Glow": (image_flow, [16]),
    "GompertzCDF": (lambda: tfb.Invert(tfb.GompertzCDF(V(1.5), 1.0)), "unit"),
    "GumbelCDF": (lambda: tfb.Invert(tfb.GumbelCDF(V(0.3), 1.0)), "unit"),
    "Householder": (lambda: tfb.Householder(V([1.0, 0.0])), [2]),
    "Identity": (tfb.Identity, [2]),
    "Invert": (lambda: tfb.Invert(tfb.Scale(V(2.0))), [2]),
    "IteratedSigmoidCentered": (tfb.IteratedSigmoidCentered, [2]),
    "KumaraswamyCDF": (lambda: tfb.KumaraswamyCDF(V(1.5), 2.0), "unit"),
    "LambertWTail": (lambda: tfb.LambertWTail(V(0.3), V(1.5), V(0.1)), [2]),
    "Log": (lambda: tfb.Invert(tfb.Log()), [2]),
    "Log1p": (lambda: tfb.Invert(tfb.Log1p()), [2]),
    "MaskedAutoregressiveFlow": (
        lambda: tfb.MaskedAutoregressiveFlow(masked_network()),
        [2],
    ),
    "MaskedAutoregressiveFlow[inverse]": (
        lambda: tfb.Invert(
            tfb.MaskedAutoregressiveFlow(
                masked_network(activation="tanh", kernel_initializer="he_normal")
            )
        ),
        [2],
    ),
    "MatrixInverseTriL": (tfb.MatrixInverseTriL, None),
    "MatvecLU": (lambda: tfb.MatvecLU(V(EYE), tf.constant([1, 0])), [2]),
    "MoyalCDF": (lambda: tfb.Invert(tfb.MoyalCDF(V(0.3), 1.0)), "unit"),
    "NormalCDF": (tfb.NormalCDF, [2]),
    "Permute": (lambda: tfb.Permute([1, 0]), [2]),
    "Power": (lambda: tfb.Power(3.0), "unit"),
    "PowerTransform": (lambda: tfb.PowerTransform(0.0), [2]),
    "RationalQuadraticSpline": (
        lambda: tfb.RationalQuadraticSpline([[1.0, 1.0]], [[0.5, 1.5]], V([[1.2]])),
        [2],
    ),
    "RayleighCDF": (lambda: tfb.Invert(tfb.RayleighCDF(V(1.5))), "unit"),
    "Reciprocal": (tfb.Reciprocal, "unit"),
    "Reshape": (lambda: tfb.Reshape([2, 1]), [2]),
    "Scale": (lambda: tfb.Scale(V(POSITIVE)), [2]),
    "Scale[log]": (lambda: tfb.Scale(log_scale=V(PAIR)), [2]),
    "ScaleMatvecDiag": (lambda: tfb.ScaleMatvecDiag(V(POSITIVE)), [2]),
    "ScaleMatvecLU": (lambda: tfb.ScaleMatvecLU(V(EYE), tf.constant([1, 0])), [2]),
    "ScaleMatvecLinearOperator": (lambda: tfb.ScaleMatvecLinearOperator(lower()), [2]),
    "ScaleMatvecTriL": (lambda: tfb.ScaleMatvecTriL(V(EYE)), [2]),
    "Shift": (lambda: tfb.Shift(V(PAIR)), [2]),
    "ShiftedGompertzCDF": (
        lambda: tfb.Invert(tfb.ShiftedGompertzCDF(V(1.5), 1.0)),
        "unit",
    ),
    "Sigmoid": (lambda: tfb.Sigmoid(V(-0.5), 2.0), [2]),
    "Sinh": (tfb.Sinh, [2]),
    "SinhArcsinh": (lambda: tfb.SinhArcsinh(V(0.3), 1.5), [2]),
    "SoftClip": (lambda: tfb.SoftClip(-3.0, 3.0), [2]),
    "Softfloor": (lambda: tfb.Softfloor(V(0.5)), [2]),
    "Softplus": (lambda: tfb.Softplus(V(1.5)), [2]),
    "Softsign": (tfb.Softsign, [2]),
    "Square": (tfb.Square, "unit"),
    "Tanh": (tfb.Tanh, [2]),
    "TransformDiagonal": (lambda: tfb.TransformDiagonal(tfb.Exp()), None),
    "Transpose": (lambda: tfb.Transpose([1, 0]), None),
    "WeibullCDF": (lambda: tfb.Invert(tfb.WeibullCDF(V(1.5), 2.0)), "unit"),
}


def transformed(make, event):
    """A distribution with the bijector: base on R, on the unit cube or triangular."""
    if event == "unit":
        base = tfd.Independent(tfd.Uniform([0.1, 0.1], [0.9, 0.9]), 1)
    elif event is None:
        base = tfd.TransformedDistribution(normal(3), tfb.FillScaleTriL())
    else:
        base = tfd.Sample(tfd.Normal(0.0, 1.0), event)
    return tfd.TransformedDistribution(base, make())


# What takes a function, which a file holds only where it is registered.
WITH_FUNCTIONS = ["Autoregressive", "FFJORD", "Inline", "MarkovChain", "RealNVP"]
STRUCTURES = [
    *("JointMap", "Restructure", "ScaleMatvecLinearOperatorBlock", "Split"),
    *(
        f"JointDistribution{kind}{batched}"
        for kind in ("Coroutine", "Named", "Sequential")
        for batched in ("", "AutoBatched")
    ),
]
BASES = [
    *("AutoCompositeTensorBijector", "AutoCompositeTensorDistribution", "Bijector"),
    *("Composition", "Distribution", "JointDistribution", "TransformedDistribution"),
]
# Name → why it is not in the tables.
NO_CASE = {
    **dict.fromkeys(WITH_FUNCTIONS, "takes a function"),
    **dict.fromkeys(
        STRUCTURES, "its event is a structure; Blockwise makes it a vector"
    ),
    **dict.fromkeys(BASES, "a base of others"),
    **dict.fromkeys(
        ["FlatDirichlet", "Pad", "SoftmaxCentered", "UnitVector"],
        "TFP 0.25 calls NumPy in a way that NumPy 2.4 refuses",
    ),
    "ZeroInflatedNegativeBinomial": "a class of no module, refused by name: Inflated",
    "MultivariateNormalFullCovariance": "takes the value of a variable",
}
