"""Laws of a density p: ∫ p(x) dx = 1, and the samples follow p."""

import numpy as np

from tfp_flows.testing.integration.integral import Integral
from tfp_flows.testing.probes.distribution_probe import DistributionProbe
from tfp_flows.testing.report import LawResult, invariant, judge, unchecked

__all__ = ["normalization", "samples_match_density"]

# Smallest tolerance of a mass, for the round-off of single precision densities.
_MASS_TOLERANCE = 5e-3
# Standard errors: with a hundred averages a lawful object exceeds this about once in
# ten thousand seeds.
_Z = 5.0
# Above this standard error a comparison decides nothing.
_UNDECIDED = 0.05
_DIRECTIONS = 64


@invariant
def normalization(probe: DistributionProbe) -> LawResult:
    """The density integrates to one.

    Quadrature where D ≤ 3 and it resolves the density, otherwise importance sampling,
    with five standard errors as tolerance. The mass in reach of the quadrature is
    compared with the share of samples there, so that heavy tails are no violation.
    What both leave uncertain, such as a thin curved ridge, fails as undecided.
    """
    try:
        integral = probe.integral
    except ValueError as fault:
        return unchecked("normalization", f"no density with respect to volume: {fault}")
    if not integral.error <= _UNDECIDED:
        return _undecided("normalization", integral)
    expected, share_error = _share_within(probe, integral.reach)
    tolerance = share_error + max(_MASS_TOLERANCE, _Z * integral.error)
    failure = (
        f"Expected the density to integrate to {expected:.4g} (the share of samples "
        f"in reach). Received: {integral.mass:.6g} by {integral.method}. Likely "
        "cause: a missing constant or log-det in log_prob, or a map that is not "
        "invertible."
    )
    remark = f"mass {integral.mass:.5f} by {integral.method}"
    error = abs(integral.mass - expected)
    return judge("normalization", error, tolerance, failure, remark)


def samples_match_density(probe: DistributionProbe) -> LawResult:
    """Averages over samples equal averages under the density.

    The averaged functions are cos and sin along random directions and axes at
    several frequencies, in coordinates in which the samples are standardized:
    bounded, so that their standard errors can be trusted however heavy the tails.
    The error is the largest deviation in standard errors.
    """
    name = "samples_match_density"
    try:
        integral = probe.integral
    except ValueError as fault:
        return unchecked(name, f"no density with respect to volume: {fault}")
    directions = _directions(probe.frame.center.size, probe.options.seed)
    expected, rule_error = integral.average(lambda z: _features(z, directions))
    if not rule_error.max() <= _UNDECIDED:
        return _undecided(name, integral)
    drawn = _features(probe.frame.to_z(probe.finite_samples), directions)
    error = np.sqrt(drawn.var(axis=0) / len(drawn) + rule_error**2)
    deviation = np.max(np.abs(drawn.mean(axis=0) - expected) / error)
    outside = int(np.sum(~np.isfinite(probe.log_density(probe.samples))))
    failure = (
        f"Expected samples to follow the density. Of {len(drawn)} samples {outside} "
        "have no finite log_prob, and averages over the samples differ from those "
        f"under the density by up to {deviation:.3g} standard errors. Likely cause: "
        "sample and log_prob use different maps or parameters (a wrong inverse in "
        "one direction)."
    )
    remark = f"error in standard errors; {integral.method}"
    return judge(name, np.inf if outside else deviation, _Z, failure, remark)


def _share_within(probe: DistributionProbe, reach: float) -> tuple[float, float]:
    """Share of samples that a rule covers, and five standard errors of it."""
    inside = (np.abs(probe.frame.to_z(probe.finite_samples)) <= reach).all(axis=1)
    share = float(inside.mean())
    return share, _Z * float(np.sqrt(share * (1 - share) / len(inside)))


def _directions(size: int, seed: int) -> np.ndarray:
    """[D, K] axes and random directions, at frequencies 0.5 to 2."""
    rng = np.random.default_rng(seed)
    directions = rng.standard_normal([size, _DIRECTIONS])
    directions /= np.linalg.norm(directions, axis=0)
    axes = np.eye(size)[:, : _DIRECTIONS // 2]
    directions[:, : axes.shape[1]] = axes
    return directions * rng.permutation(np.geomspace(0.5, 2, _DIRECTIONS))


def _features(z: np.ndarray, directions: np.ndarray) -> np.ndarray:
    phase = z @ directions
    return np.concatenate([np.cos(phase), np.sin(phase)], axis=1)


def _undecided(name: str, integral: Integral) -> LawResult:
    message = (
        f"Expected a decision. Received: a mass of {integral.mass:.3g} with standard "
        f"error {integral.error:.2g} by {integral.method}. The density does not decay "
        "outside its samples or is far from a bell. If log_prob is not -inf outside "
        "the support, give `support`; otherwise audit a smaller event, raise "
        "num_samples, or exempt the law with this reason."
    )
    return LawResult(name, False, integral.error, _UNDECIDED, message)
