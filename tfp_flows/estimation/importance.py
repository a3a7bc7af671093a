"""Draws of one density that stand for another one, by their weights."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tfp_flows.estimation.pareto import largest_trustworthy_shape, pareto_shape

__all__ = ["Estimate", "FreeEnergyProfile", "WeightedDraws"]


class Estimate(NamedTuple):
    """A number, or an array of them, with its standard error."""

    value: Any
    error: Any


class FreeEnergyProfile(NamedTuple):
    """−log p(s) of a coordinate s, in units of kT, zero at its minimum.

    Attributes:
        coordinate: [bins], centers.
        value: [bins]; ∞ where no draw fell.
        error: [bins], standard error, of the bin against all draws.
    """

    coordinate: np.ndarray
    value: np.ndarray
    error: np.ndarray


@dataclasses.dataclass(frozen=True)
class WeightedDraws:
    """Draws xᵢ ~ q and log wᵢ = −U(xᵢ) − log q(xᵢ), for p(x) = exp(−U(x)) / Z.

    Nothing is clipped: `ess` and the estimates are of all weights as they are, and
    `pareto_k` says whether those can be believed.

    Attributes:
        draws: [n, event...].
        log_weights: [n], float64; −∞ where the energy is infinite.
    """

    draws: np.ndarray
    log_weights: np.ndarray

    @property
    def shares(self) -> np.ndarray:
        """wᵢ / Σ w, [n]."""
        return np.exp(self.log_weights - np.logaddexp.reduce(self.log_weights))

    @property
    def ess(self) -> float:
        """Kish's effective sample size as a share of n, (Σ w)² / (n Σ w²)."""
        return _kish(self.log_weights) / len(self.log_weights)

    def trimmed_ess(self, share: float = 0.01) -> float:
        """Returns `ess` without the largest and the smallest weights.

        Args:
            share: of the draws that is left out at each end.
        """
        cut = int(np.ceil(share * len(self.log_weights)))
        kept = np.sort(self.log_weights)[cut : len(self.log_weights) - cut]
        return _kish(kept) / len(kept)

    def ess_curve(self, points: int = 20) -> tuple[np.ndarray, np.ndarray]:
        """Returns counts n' ≤ n and the share `ess` of the first n' draws.

        A curve that falls says that the heaviest weights are still to come.
        """
        least = np.log10(min(100, len(self.log_weights)))
        counts = np.logspace(least, np.log10(len(self.log_weights)), points)
        counts = np.unique(np.round(counts).astype(int))
        return counts, np.array([_kish(self.log_weights[:n]) / n for n in counts])

    @property
    def pareto_k(self) -> float:
        """Shape of the weights' tail, `pareto_shape`."""
        return pareto_shape(self.log_weights)

    @property
    def reliable(self) -> bool:
        """Whether `pareto_k` is below what so many draws can carry."""
        limit = largest_trustworthy_shape(len(self.log_weights))
        return bool(self.pareto_k < limit)

    @property
    def log_normalizer(self) -> Estimate:
        """Log Z = log of the mean weight; the error is of first order, √(1/ess − 1)/√n.

        It is an estimate only where the weights are `reliable`.
        """
        count = len(self.log_weights)
        value = np.logaddexp.reduce(self.log_weights) - np.log(count)
        return Estimate(value, np.sqrt((1 / self.ess - 1) / count))

    def mean(self, function: Callable[[np.ndarray], np.ndarray]) -> Estimate:
        """Returns E_p f(x) = Σ wᵢ f(xᵢ) / Σ wᵢ and its standard error.

        Args:
            function: f, [n, event...] → [n, ...].
        """
        values = np.asarray(function(self.draws), "float64")
        if values.shape[:1] != self.log_weights.shape:
            raise ValueError(
                f"function must return a value for each of the "
                f"{len(self.log_weights)} draws, received shape {values.shape}."
            )
        shares = self.shares.reshape([-1, *[1] * (values.ndim - 1)])
        value = (shares * values).sum(axis=0)
        error = np.sqrt((shares**2 * (values - value) ** 2).sum(axis=0))
        return Estimate(value, error)

    def free_energy(
        self, coordinate: Callable[[np.ndarray], np.ndarray], bins: int = 50
    ) -> FreeEnergyProfile:
        """Returns −log of the weighted histogram's density along a coordinate.

        Args:
            coordinate: s, [n, event...] → [n].
            bins: of equal width, from the least to the largest s of the draws.
        """
        values = np.asarray(coordinate(self.draws), "float64")
        edges = np.linspace(values.min(), values.max(), bins + 1)
        bin_of = np.clip(np.searchsorted(edges, values, "right") - 1, 0, bins - 1)
        masses = self.mean(lambda _: np.eye(bins)[bin_of])
        with np.errstate(divide="ignore", invalid="ignore"):
            profile = -np.log(masses.value)
            error = masses.error / masses.value
        centers = 0.5 * (edges[1:] + edges[:-1])
        return FreeEnergyProfile(centers, profile - profile.min(), error)

    def bridged_log_normalizer(self, reference: np.ndarray) -> Estimate:
        """Returns log Z from draws of both sides: Bennett's acceptance ratio.

        c = log Z solves Σ_q σ(M + log wᵢ − c) = Σ_p σ(c − M − log wⱼ), M = log n_p/n_q.

        Args:
            reference: log wⱼ = −U(xⱼ) − log q(xⱼ), [m], of independent draws xⱼ ~ p.

        Reference: Bennett (1976); Shirts, Bair, Hooker and Pande (2003), equations
        7 to 10.
        """
        reference = np.asarray(reference, "float64")
        if reference.ndim != 1 or not np.isfinite(reference).all():
            raise ValueError(
                "reference must be finite log-weights of draws of the energy, [m], "
                f"received shape {reference.shape} with "
                f"{np.sum(~np.isfinite(reference))} that are not finite."
            )
        ours = self.log_weights
        pooled = np.concatenate([ours, reference])
        pooled = pooled + np.log(len(reference) / len(ours))
        low, high = pooled[np.isfinite(pooled)].min(), pooled.max()
        low, high = low - 50, high + 50
        for _ in range(200):
            middle = 0.5 * (low + high)
            if _sigmoid(pooled - middle).sum() > len(reference):
                low = middle
            else:
                high = middle
        odds = _sigmoid(pooled - middle)
        information = (odds * (1 - odds)).sum()
        variance = 1 / information - 1 / len(ours) - 1 / len(reference)
        return Estimate(np.float64(middle), np.sqrt(max(variance, 0.0)))

    def __str__(self) -> str:
        """A few lines that say how far the weights can be believed."""
        count = len(self.log_weights)
        log_z, shape = self.log_normalizer, self.pareto_k
        verdict = "the weights can be used" if self.reliable else "do not trust them"
        return (
            f"{count} draws: ESS {self.ess:.1%} (trimmed {self.trimmed_ess():.1%}), "
            f"log Z {log_z.value:.3f} ± {log_z.error:.3f}, Pareto k {shape:.2f} "
            f"(limit {largest_trustworthy_shape(count):.2f}): {verdict}"
        )


def _kish(log_weights: np.ndarray) -> float:
    total = np.logaddexp.reduce(log_weights)
    return float(np.exp(2 * total - np.logaddexp.reduce(2 * log_weights)))


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return np.exp(-np.logaddexp(0, -x))
