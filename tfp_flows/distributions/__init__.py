"""Distributions that flows are built with."""

from tfp_flows.distributions.boosted_mixture import BoostedMixture
from tfp_flows.distributions.clayton_copula import ClaytonCopula
from tfp_flows.distributions.copula_distribution import CopulaDistribution
from tfp_flows.distributions.correlation import correlation_factor
from tfp_flows.distributions.dequantized import Dequantized
from tfp_flows.distributions.fit_copula import fit_copula
from tfp_flows.distributions.fit_marginals import choose_marginals, fit_marginals
from tfp_flows.distributions.frank_copula import FrankCopula
from tfp_flows.distributions.gaussian_copula import GaussianCopula
from tfp_flows.distributions.gaussian_mixture import GaussianMixture
from tfp_flows.distributions.generalized_pareto_tails import GeneralizedParetoTails
from tfp_flows.distributions.geometric_score import (
    GeometricNormalizer,
    geometric_normalizer,
    geometric_score,
)
from tfp_flows.distributions.gumbel_copula import GumbelCopula
from tfp_flows.distributions.independence_copula import IndependenceCopula
from tfp_flows.distributions.joe_copula import JoeCopula
from tfp_flows.distributions.mixture_weights import (
    MixtureWeights,
    fit_mixture_weights,
)
from tfp_flows.distributions.student_t_copula import StudentTCopula
from tfp_flows.distributions.tail_index import fit_student_t, hill
from tfp_flows.distributions.with_quantile import WithQuantile

__all__ = [
    "BoostedMixture",
    "ClaytonCopula",
    "CopulaDistribution",
    "Dequantized",
    "FrankCopula",
    "GaussianCopula",
    "GaussianMixture",
    "GeneralizedParetoTails",
    "GeometricNormalizer",
    "GumbelCopula",
    "IndependenceCopula",
    "JoeCopula",
    "MixtureWeights",
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
