"""The best likelihood of linear flows, in closed form from second moments.

ℓ* = −½ Σᵢ log λᵢ − (d/2)(1 + log 2π) with λ the eigenvalues of the covariance: what
every stack of linear layers reaches at best, and a floor that other flows must beat.
"""

import dataclasses
import itertools
import math
from typing import Any

import numpy as np

from tfp_flows.diagnostics.linear import arguments
from tfp_flows.diagnostics.linear.families import FAMILIES
from tfp_flows.diagnostics.linear.moments import event_batches
from tfp_flows.diagnostics.linear.problem import Problem

__all__ = ["LinearOptimum", "linear_flow_optimum"]


@dataclasses.dataclass(frozen=True, eq=False)
class LinearOptimum:
    """The optimum of a family of linear flows on some data, standard normal base.

    Attributes:
        family: as passed to `linear_flow_optimum`.
        centered: whether the map has a bias: z = W (x − μ), else z = W x.
        log_likelihood: mean over the rows it was fitted to, nats. Optimistic by about
            `num_parameters` / (2 `num_rows`).
        heldout_log_likelihood: mean over held-out rows, nats; None without such.
        eigenvalues: of the second moments and ridge, largest first; of each frequency
            [frequencies..., C] for `circular_conv`, means over examples for
            `conv1x1_per_example`, the variances of features for diagonal families.
        scale: a maximiser W: [D, D], [D] or [] for full, diagonal and scalar ones, [C,
            C] for `conv1x1`, [frequencies..., C, C] in the unitary Fourier basis for
            `circular_conv`; None for `conv1x1_per_example`.
        shift: μ, broadcast against the last axis of W's input; zero if not centered.
        num_parameters: free parameters of the density.
        num_rows: rows it was fitted to.
        event_shape: of a row.
        ridge: added to the second moments before W was made from them.
        units: of `floor` and `heldout_floor`: "nats" or "bits/dim".
        bin_width: step of the grid in the units of x, for bits per dimension.
    """

    family: str
    centered: bool
    log_likelihood: float
    heldout_log_likelihood: float | None
    eigenvalues: np.ndarray
    scale: np.ndarray | None
    shift: np.ndarray
    num_parameters: int
    num_rows: int
    event_shape: tuple[int, ...]
    ridge: float = 0.0
    units: str = "nats"
    bin_width: float = 1.0

    @property
    def floor(self) -> float:
        """Negative log-likelihood of the fitted rows, in `units`."""
        return self._converted(self.log_likelihood)

    @property
    def heldout_floor(self) -> float | None:
        """Negative log-likelihood of the held-out rows, in `units`."""
        if self.heldout_log_likelihood is None:
            return None
        return self._converted(self.heldout_log_likelihood)

    def log_prob(self, x: Any) -> np.ndarray:
        """Returns the log-density of each row under the optimum, nats: [N].

        Args:
            x: rows as those it was fitted to.

        Raises:
            ValueError: rows of another shape, not finite, or none.
        """
        batches = event_batches(x, len(self.event_shape), self.event_shape)
        return np.concatenate([self._log_prob(batch) for batch in batches])

    def __str__(self) -> str:
        held_out = self.heldout_floor
        text = f"optimum of linear flows ({self.family}): {self.floor:.4f} {self.units}"
        text += f" on {self.num_rows:,} rows, {self.num_parameters:,} parameters"
        return text if held_out is None else f"{text}; held out {held_out:.4f}"

    def _converted(self, log_likelihood: float) -> float:
        if self.units == "nats":
            return -log_likelihood
        size = math.prod(self.event_shape)
        return -log_likelihood / (size * math.log(2)) - math.log2(self.bin_width)

    def _log_prob(self, x: np.ndarray) -> np.ndarray:
        family, scale = FAMILIES[self.family], self.scale
        if scale is None:
            return Problem(family, self.centered, self.ridge).log_prob_of_each(x)
        if family.is_diagonal:
            scale = scale[..., np.newaxis, np.newaxis]
        rows = x if family.is_spatial else x.reshape(len(x), -1)
        z = family.vectors(rows - self.shift) @ np.swapaxes(scale, -1, -2)
        square = np.einsum("...i,...i->...", z, z.conj()).real
        values = np.linalg.slogdet(scale)[1][..., np.newaxis] - 0.5 * square
        total = np.moveaxis(values, -1, 0).reshape(len(x), -1).sum(axis=1)
        return total - 0.5 * math.prod(self.event_shape) * math.log(2 * math.pi)


def linear_flow_optimum(
    x: Any,
    family: str = "full",
    *,
    centered: bool = True,
    rank: int | None = None,
    min_scale: float | None = None,
    max_scale: float | None = None,
    ridge: float = 0.0,
    event_ndims: int = 1,
    x_heldout: Any = None,
    units: str = "nats",
    bin_width: float = 1.0,
    base: Any = None,
) -> LinearOptimum:
    """Returns the highest likelihood that linear flows of a family reach on data.

    For z = W (x − μ) with a standard normal base, the optimum over all W is unique in
    value, whatever parametrizes W (dense, LU, many layers); it needs second moments
    alone, streamed in float64: O(N d² + d³). Families of W (λ: eigenvalues):

        full                 −½ Σ log λ − d/2
        diagonal             −½ Σ log Sᵢᵢ − d/2
        scalar               −(d/2) [1 + log(tr S / d)]
        unit_det             −(d/2) (Π λ)^(1/d), volume preserving
        orthogonal           −½ tr S
        ppca                 probabilistic principal components, `rank` of them
        conv1x1              one matrix for all positions of an event [..., C]
        conv1x1_per_example  a matrix for each row, made from side information
        circular_conv        convolution with wrap-around and a kernel of full size

    each minus (d/2) log 2π. With `min_scale` and `max_scale` the singular values of W
    stay in [a, b]: the price of a Lipschitz bound in nats.

    It is a ceiling for flows of linear layers and a *floor* for others: `−ℓ*` is the
    entropy of the Gaussian with the data's moments, so a nonlinear flow that trained
    well ends above ℓ*. On few rows the fitted value is optimistic; compare held-out
    values with `heldout_log_likelihood`.

    Args:
        x: [N, event...]: an array, a memory map, a `tf.data.Dataset` of batches, or an
            iterable of batches; read once.
        family: see above.
        centered: with a bias; then the covariance counts, else the auto-correlation.
        rank: principal components kept by `ppca`, 0 … d − 1.
        min_scale: a > 0, or None.
        max_scale: b ≥ a, or None.
        ridge: ε ≥ 0 added to the diagonal of the second moments before W is made from
            them; the likelihoods are those that this W attains on the data.
        event_ndims: axes of an event: 1 for rows, 3 for images [H, W, C].
        x_heldout: rows that the optimum is also judged on, as x.
        units: of `floor`: "nats" a row, or "bits/dim".
        bin_width: for bits/dim, the step of dequantized integers in the units of x: 1
            for x in [0, 256), 1/256 for x in [0, 1).
        base: the flow's base distribution, if you want it checked: the closed form
            holds for the standard normal alone.

    Returns:
        The optimum with its eigenvalues and a maximiser.

    Raises:
        ValueError: an unusable argument; data without rows or not finite; moments so
            singular that the optimum is infinite (constant or duplicated features,
            fewer rows than features); more than 5,000 features for a dense W; a base
            that is not the standard normal, or of another size than the data's events.

    Example:
        >>> corners = np.array([[2.0, 1.0], [-2.0, -1.0], [0.0, 1.0], [0.0, -1.0]])
        >>> print(linear_flow_optimum(corners))
        optimum of linear flows (full): 2.8379 nats on 4 rows, 5 parameters

    Reference: Tipping and Bishop (1999), "Probabilistic Principal Component Analysis",
    eq. 7 and 8, of which full rank is this optimum; Liao and He (2021), "Jacobian
    Determinant of Normalizing Flows", arXiv:2102.06539, abstract.
    """
    arguments.check(family, rank, ridge, event_ndims, units, bin_width)
    constraint = arguments.constraint_on(family, min_scale, max_scale, rank)
    arguments.check_base(base)
    data = event_batches(x, event_ndims)
    first = next(data)
    arguments.check_base_size(base, first.shape[1:])
    problem = Problem(FAMILIES[family], centered, ridge, constraint)
    size = problem.family.vectors(first[:1]).shape[-1]
    arguments.check_size(family, size, rank)
    fitted = LinearOptimum(
        family=family,
        centered=centered,
        heldout_log_likelihood=None,
        ridge=ridge,
        units=units,
        bin_width=bin_width,
        **problem.fit(itertools.chain([first], data))._asdict(),
    )
    if x_heldout is None:
        return fitted
    held_out = float(fitted.log_prob(x_heldout).mean())
    return dataclasses.replace(fitted, heldout_log_likelihood=held_out)
