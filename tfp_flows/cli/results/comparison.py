"""The table at the end of a run: the flow's likelihood beside two yardsticks'."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from tfp_flows.data import Schema, Table, relative
from tfp_flows.diagnostics import (
    Result,
    Yardstick,
    compare_scores,
    fit_gaussian,
    fit_mixture,
)

__all__ = [
    "Yardsticks",
    "compare",
    "extreme_row",
    "format_table",
    "joined_rows",
    "log_cell_size",
]


def compare(
    log_densities: dict[str, np.ndarray],
    schema: Schema,
    weights: np.ndarray | None = None,
) -> tuple[Result, ...]:
    """Summarizes log-densities [N] of the same rows; bits/dim for gray levels."""
    bits = None if schema.levels is None else len(schema.columns)
    # A row may have minus infinity under several.
    with np.errstate(invalid="ignore"):
        return compare_scores(log_densities, dimensions=bits, weights=weights)


def format_table(heading: str, results: Sequence[Result]) -> str:
    """Returns lines of a name, nats with their standard error, and bits/dim."""
    with_bits = results[0].bits_per_dim is not None
    width = max(len(heading), *(len(result.name) for result in results)) + 2
    lines = [f"{heading:<{width}}{'nats':>12}" + f"{'bits/dim':>21}" * with_bits]
    for result in results:
        line = f"{result.name:<{width}}{result.nats:>12.3f}"
        line += f" ± {result.standard_error:<8.3f}"
        if with_bits:
            line += f"{result.bits_per_dim:>10.4f}"
        lines.append(line.rstrip())
    return "\n".join(lines)


def extreme_row(table: Table, log_densities: dict[str, np.ndarray]) -> str | None:
    """Returns a line that names the first row without a finite log-density, if any.

    Its column is the one that lies farthest from the median, in interquartile ranges.
    """
    lost = {name: ~np.isfinite(score) for name, score in log_densities.items()}
    rows = np.logical_or.reduce(list(lost.values()))
    if not rows.any():
        return None
    row = int(np.argmax(rows))
    values = joined_rows(table, np.zeros(1))
    table = relative(table)
    low, median, high = np.percentile(values, [25, 50, 75], axis=0)
    distance, spread = np.abs(values[row] - median), high - low
    # A column that hardly varies comes first where the row differs in it.
    unlike = np.where(distance > 0, np.inf, 0.0)
    spreads = np.divide(distance, spread, out=unlike, where=spread > 0)
    column = int(np.argmax(spreads))
    number = row + 1 if table.row_numbers is None else table.row_numbers[row]
    under = ", ".join(name for name, mask in lost.items() if mask[row])
    return (
        f"row {number}, column {table.schema.names[column]!r}: {values[row, column]:g} "
        f"has log-density -inf under {under}, and so has the mean "
        f"({rows.sum():,} such rows): mend the cell or leave the row out"
    )


@dataclasses.dataclass(frozen=True)
class Yardsticks:
    """A Gaussian and a Gaussian mixture fitted to the rows a flow was fitted to.

    Where the flow dequantizes, they see the rows plus uniform noise of the same step,
    and have the logarithm of a cell's size added, Σ log Δ, as the flow has: all are
    log-probabilities of cells.

    Attributes:
        gaussian: full covariance.
        mixture: number of components chosen on the validation rows.
        step: [D], step of the grid of each column; 0 for a continuous one.
    """

    gaussian: Yardstick
    mixture: Yardstick
    step: np.ndarray

    @classmethod
    def fit(
        cls,
        train: np.ndarray,
        validation: np.ndarray,
        schema: Schema,
        step: np.ndarray,
        *,
        seed: int,
    ) -> "Yardsticks":
        """Fits both to rows [N, D + C], as from `joined_rows`."""
        options: dict[str, Any] = {
            "context_size": len(schema.context_columns),
            "same_units": bool(schema.image_shape or schema.particle_shape),
        }
        return cls(
            fit_gaussian(train, validation, **options),
            fit_mixture(train, validation, seed=seed, **options),
            step,
        )

    def log_densities(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Returns the log-densities [N] of rows, as from `joined_rows`, under both.

        Of a gridded column it is the log-probability of its cell.
        """
        named = {
            "Gaussian": self.gaussian,
            f"mixture of {self.mixture.components}": self.mixture,
        }
        # A row too far out for float64 has minus infinity.
        with np.errstate(over="ignore", invalid="ignore"):
            scores = {
                name: fitted.log_prob(rows) + log_cell_size(self.step)
                for name, fitted in named.items()
            }
        return {
            name: np.where(np.isfinite(score), score, -np.inf)
            for name, score in scores.items()
        }

    def to_arrays(self) -> dict[str, Any]:
        """Returns named arrays to save."""
        arrays = {"step": self.step}
        for name in ("gaussian", "mixture"):
            for key, value in dataclasses.asdict(getattr(self, name)).items():
                arrays[f"{name}.{key}"] = np.asarray(value)
        return arrays

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> "Yardsticks":
        """Rebuilds both from saved arrays."""
        built = {}
        for name in ("gaussian", "mixture"):
            fields: dict[str, Any] = {
                field.name: arrays[f"{name}.{field.name}"]
                for field in dataclasses.fields(Yardstick)
            }
            fields["context_size"] = int(fields["context_size"])
            built[name] = Yardstick(**fields)
        return cls(built["gaussian"], built["mixture"], arrays["step"])


def log_cell_size(step: np.ndarray) -> float:
    """Returns Σ log Δ of the gridded columns: log P(cell) is log-density plus this."""
    return float(np.log(step[step > 0]).sum())


def joined_rows(table: Table, step: np.ndarray) -> np.ndarray:
    """Returns dequantized values, of particles relative ones, and context."""
    table = relative(table)
    noise = np.random.default_rng(0).uniform(size=table.values.shape)
    values = table.values + step[: noise.shape[1]] * noise
    return values if table.context is None else np.hstack([values, table.context])
