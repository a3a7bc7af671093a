"""Distributions that flows are built with."""

from tfp_flows.distributions.centered import CenteredNormal, CenteredStudentT
from tfp_flows.distributions.copulas.clayton_copula import ClaytonCopula
from tfp_flows.distributions.copulas.copula import Copula
from tfp_flows.distributions.copulas.copula_distribution import CopulaDistribution
from tfp_flows.distributions.copulas.correlation import correlation_factor
from tfp_flows.distributions.copulas.fit_copula import fit_copula
from tfp_flows.distributions.copulas.frank_copula import FrankCopula
from tfp_flows.distributions.copulas.gaussian_copula import GaussianCopula
from tfp_flows.distributions.copulas.gumbel_copula import GumbelCopula
from tfp_flows.distributions.copulas.independence_copula import IndependenceCopula
from tfp_flows.distributions.copulas.joe_copula import JoeCopula
from tfp_flows.distributions.copulas.student_t_copula import StudentTCopula
from tfp_flows.distributions.dequantized import Dequantized
from tfp_flows.distributions.implicit import ImplicitDistribution
from tfp_flows.distributions.marginals.fit_marginals import (
    choose_marginals,
    fit_marginals,
)
from tfp_flows.distributions.marginals.generalized_pareto_tails import (
    GeneralizedParetoTails,
)
from tfp_flows.distributions.marginals.tail_index import fit_student_t, hill
from tfp_flows.distributions.marginals.with_quantile import WithQuantile
from tfp_flows.distributions.mixtures.boosted_mixture import BoostedMixture
from tfp_flows.distributions.mixtures.gaussian_mixture import GaussianMixture
from tfp_flows.distributions.mixtures.geometric_score import (
    GeometricNormalizer,
    geometric_normalizer,
    geometric_score,
)
from tfp_flows.distributions.mixtures.mixture_weights import (
    MixtureWeights,
    fit_mixture_weights,
)
from tfp_flows.distributions.node_features import NodeFeatures

__all__ = [
    "BoostedMixture",
    "CenteredNormal",
    "CenteredStudentT",
    "ClaytonCopula",
    "Copula",
    "CopulaDistribution",
    "Dequantized",
    "FrankCopula",
    "GaussianCopula",
    "GaussianMixture",
    "GeneralizedParetoTails",
    "GeometricNormalizer",
    "GumbelCopula",
    "ImplicitDistribution",
    "IndependenceCopula",
    "JoeCopula",
    "MixtureWeights",
    "NodeFeatures",
    "StudentTCopula",
    "WithQuantile",
    "choose_marginals",
    "correlation_factor",
    "fit_copula",
    "fit_marginals",
    "fit_mixture_weights",
    "fit_student_t",
    "geometric_normalizer",
    "geometric_score",
    "hill",
]
