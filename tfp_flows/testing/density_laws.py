"""Laws of a density p: ∫ p(x) dx = 1, and the samples follow p."""

from dataclasses import dataclass

import numpy as np

from tfp_flows.testing.distribution_probe import DistributionProbe
from tfp_flows.testing.integration import Rule, grid_rule, importance_rule
from tfp_flows.testing.report import LawResult, judge, unchecked

__all__ = ["normalization", "samples_match_density"]

_MAX_GRID_DIMENSIONS = 3
# Largest error of a grid, as a part of the mass.
_GRID_TOLERANCE = 5e-3
# Standard errors: with fixed seeds and some dozens of features a lawful object
# exceeds this about once in ten thousand audits.
_Z = 5.0
# Above this standard error a comparison decides nothing.
_UNDECIDED = 0.1
_FEATURES = 64


@dataclass(frozen=True)
class _Mass:
    """The density at the nodes of a rule.

    Args:
      rule: The rule.
      weights: [n], exp(log_weight + log p); they add up to the mass.
      error: Deviation that the rule itself explains.
    """

    rule: Rule
    weights: np.ndarray
    error: float

    @property
    def total(self) -> float:
        return float(np.sum(self.weights))

    @property
    def method(self) -> str:
        kind = "importance sampling" if self.rule.coarse is None else "quadrature"
        return f"{kind} with {len(self.weights)} nodes"


def normalization(probe: DistributionProbe) -> LawResult:
    """The density integrates to one.

    Quadrature where D ≤ 3 and the grid resolves the density (both the full grid and
    every other node give the same mass), importance sampling otherwise, with five
    standard errors as tolerance. The mass inside the grid is compared with the share
    of samples inside, so that heavy tails are no violation.
    """
    try:
        mass = _mass(probe)
    except ValueError as error:
        return unchecked("normalization", f"no density with respect to volume: {error}")
    expected, share_error = _share_within(probe, mass.rule.reach)
    tolerance = mass.error + share_error
    if mass.error > _Z * _UNDECIDED:
        return _undecided("normalization", mass)
    failure = (
        f"Expected the density to integrate to {expected:.4g} (the share of samples "
        f"in reach). Received: {mass.total:.6g} by {mass.method}. Likely cause: a "
        "missing constant or log-det in log_prob, or a map that is not invertible."
    )
    remark = f"mass {mass.total:.5f} by {mass.method}"
    error = abs(mass.total - expected)
    return judge("normalization", error, tolerance, failure, remark)


def samples_match_density(probe: DistributionProbe) -> LawResult:
    """Averages over samples equal averages under the density.

    The averaged functions are cos and sin of random directions at several
    frequencies, in coordinates in which the samples are standardized: bounded, so
    that their standard errors can be trusted however heavy the tails. The error is
    the largest deviation in standard errors.
    """
    name = "samples_match_density"
    try:
        mass = _mass(probe)
    except ValueError as error:
        return unchecked(name, f"no density with respect to volume: {error}")
    log_density = probe.log_density(probe.samples)
    outside = int(np.sum(~np.isfinite(log_density)))
    directions = _directions(probe.size, probe.seed)
    drawn = _features(probe.frame.to_z(probe.samples), directions)
    means, errors = drawn.mean(axis=0), drawn.std(axis=0) / np.sqrt(len(drawn))
    expected, rule_errors = _expectations(mass, directions)
    if rule_errors.max() > _UNDECIDED:
        return _undecided(name, mass)
    scale = np.sqrt(errors**2 + rule_errors**2)
    deviation = np.max(np.abs(means - expected) / scale)
    if outside:
        deviation = np.inf
    failure = (
        "Expected samples to follow the density; of "
        f"{len(log_density)} samples {outside} have no finite log_prob, and averages "
        "over the samples differ from those under the density by more standard "
        "errors than chance allows. Likely cause: sample and log_prob use different "
        "maps or parameters (a wrong inverse in one direction)."
    )
    return judge(
        name, deviation, _Z, failure, f"deviation in standard errors, {mass.method}"
    )


def _mass(probe: DistributionProbe) -> _Mass:
    frame = probe.frame
    if probe.size <= _MAX_GRID_DIMENSIONS:
        rule = grid_rule(frame)
        weights = _weights(probe, rule)
        coarse = 2**probe.size * np.sum(weights[rule.coarse])
        if abs(coarse - np.sum(weights)) <= _GRID_TOLERANCE * np.sum(weights):
            return _Mass(rule, weights, _GRID_TOLERANCE)
    rule = importance_rule(frame, 4 * probe.num_samples, probe.seed)
    weights = _weights(probe, rule)
    return _Mass(rule, weights, _Z * float(np.std(weights) * np.sqrt(len(weights))))


def _weights(probe: DistributionProbe, rule: Rule) -> np.ndarray:
    log_density = probe.log_density(probe.frame.to_x(rule.z))
    with np.errstate(over="ignore"):
        return np.exp(rule.log_weight + log_density)


def _share_within(probe: DistributionProbe, reach: float) -> tuple[float, float]:
    inside = (np.abs(probe.frame.to_z(probe.samples)) <= reach).all(axis=1)
    share, count = float(inside.mean()), len(inside)
    if np.isinf(reach):
        return 1.0, 0.0
    return share, _Z * float(np.sqrt(share * (1 - share) / count))


def _directions(size: int, seed: int) -> np.ndarray:
    """[D, K] random directions, then the axes, at frequencies 0.5 to 2."""
    rng = np.random.default_rng(seed)
    directions = rng.standard_normal([size, _FEATURES])
    directions /= np.linalg.norm(directions, axis=0)
    axes = np.eye(size)[:, : _FEATURES // 2]
    directions[:, : axes.shape[1]] = axes
    return directions * np.geomspace(0.5, 2, _FEATURES)[rng.permutation(_FEATURES)]


def _features(z: np.ndarray, directions: np.ndarray) -> np.ndarray:
    phase = z @ directions
    return np.concatenate([np.cos(phase), np.sin(phase)], axis=1)


def _expectations(mass: _Mass, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Self-normalized averages of the features and their standard errors."""
    features = _features(mass.rule.z, directions)
    share = mass.weights / mass.total
    expected = share @ features
    if mass.rule.coarse is not None:
        return expected, np.full_like(expected, _GRID_TOLERANCE / _Z)
    return expected, np.sqrt(share**2 @ (features - expected) ** 2)


def _undecided(name: str, mass: _Mass) -> LawResult:
    message = (
        f"Expected a decision. Received: a standard error of {mass.error / _Z:.2g} by "
        f"{mass.method}; the density is too far from its proposal. Audit a smaller "
        "event, raise num_samples, or exempt the law with this reason."
    )
    return LawResult(name, False, mass.error / _Z, _UNDECIDED, message)
