"""From rows that stream past to the best W of a family, and what it attains."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from tfp_flows.diagnostics.linear.closed_forms import Constraint, objective, remedies
from tfp_flows.diagnostics.linear.families import Family
from tfp_flows.diagnostics.linear.moments import Moments

__all__ = ["Fit", "Problem"]


class Fit(NamedTuple):
    """What rows decide of a `LinearOptimum`, by the names it has there."""

    log_likelihood: float
    eigenvalues: np.ndarray
    scale: np.ndarray | None
    shift: np.ndarray
    num_parameters: int
    num_rows: int
    event_shape: tuple[int, ...]


class _Solution(NamedTuple):
    """For each S: mean log-density of a vector [...], λ [..., d], W, centers."""

    log_likelihood: np.ndarray
    eigenvalues: np.ndarray
    scale: np.ndarray
    num_parameters: int
    center: np.ndarray


class Problem(NamedTuple):
    """A family and what is asked of it, as in `linear_flow_optimum`."""

    family: Family
    centered: bool
    ridge: float
    constraint: Constraint = Constraint()

    def fit(self, data: Iterable[np.ndarray]) -> Fit:
        """Returns the optimum on batches [n, event...], each read once.

        Raises:
            ValueError: the second moments are singular: the optimum is infinite.
        """
        return (self._fit_each if self.family.is_per_example else self._fit_all)(data)

    def log_prob_of_each(self, x: np.ndarray) -> np.ndarray:
        """Returns the log-density of rows x under a W of their own, nats: [N]."""
        return self._solve_each(x).log_likelihood

    def _fit_all(self, data: Iterable[np.ndarray]) -> Fit:
        family, moments, num_rows = self.family, Moments(), 0
        for batch in data:
            moments.update(family.vectors(batch))
            num_rows += len(batch)
        solved = self._solve(moments)
        eigenvalues, shift = solved.eigenvalues, family.shift(solved.center)
        copies = batch[0].size // eigenvalues.size
        return Fit(
            float(copies * solved.log_likelihood.sum()),
            np.sort(eigenvalues, axis=-1 if family.is_spatial else None)[..., ::-1],
            solved.scale[..., 0, 0] if family.is_diagonal else solved.scale,
            shift,
            solved.num_parameters + self.centered * shift.size,
            num_rows,
            batch.shape[1:],
        )

    def _fit_each(self, data: Iterable[np.ndarray]) -> Fit:
        """The mean over rows; parameters are counted for one of them."""
        total, eigenvalues, num_rows = 0.0, np.zeros([]), 0
        for batch in data:
            solved = self._solve_each(batch)
            total += solved.log_likelihood.sum()
            eigenvalues = eigenvalues + solved.eigenvalues.sum(axis=0)
            num_rows += len(batch)
        shift = np.zeros(len(eigenvalues))
        return Fit(
            total / num_rows,
            eigenvalues[::-1] / num_rows,
            None,
            shift,
            solved.num_parameters // len(batch) + self.centered * shift.size,
            num_rows,
            batch.shape[1:],
        )

    def _solve_each(self, x: np.ndarray) -> _Solution:
        moments = Moments()
        moments.update(self.family.vectors(x))
        solved = self._solve(moments)
        return solved._replace(log_likelihood=moments.count * solved.log_likelihood)

    def _solve(self, moments: Moments) -> _Solution:
        self._check_count(moments)
        center = self.family.center(self.centered * moments.mean)
        second = moments.second(center)
        widened = second + self.ridge * np.eye(second.shape[-1])
        scale, num_parameters = self.family.fit(widened, self.constraint)
        values, eigenvalues = objective(scale, second), np.linalg.eigvalsh(widened)
        return _Solution(values, eigenvalues, scale, num_parameters, center)

    def _check_count(self, moments: Moments) -> None:
        """Refuses fewer vectors than a nonsingular S takes."""
        size = moments.mean.shape[-1]
        needed = size + self.centered
        is_free = self.ridge == 0 and not self.constraint.is_bounded
        if moments.count >= needed or not is_free or self.family.takes_singular:
            return
        noun = "positions" if self.family.is_per_example else "rows"
        about = " about their mean" if self.centered else ""
        raise ValueError(
            f"Expected at least {needed} {noun}, received {moments.count}: they do not "
            f"span {size} features{about}, and {remedies()}"
        )
