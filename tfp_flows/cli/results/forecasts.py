"""What a model of targets given features is worth: scores of its draws, coverage."""

import dataclasses
from typing import Any

import numpy as np

from tfp_flows.cli.rows import draw_forecasts
from tfp_flows.cli.training.task import Task
from tfp_flows.diagnostics import (
    Coverage,
    crps,
    interval_coverage,
    mean_and_standard_error,
)
from tfp_flows.models import DensityModel
from tfp_flows.objectives import EnergyScore

__all__ = ["Forecasts", "forecast"]

_LEVELS = (0.5, 0.9)
_MOST_ROWS, _DRAWS = 2_000, 99


@dataclasses.dataclass(frozen=True)
class Forecasts:
    """Draws for held-out rows, and how good they are.

    Attributes:
        rows: [N], which of the held-out rows.
        draws: [S, N, D].
        targets: D names.
        score: mean energy score and its error, in standard deviations.
        crps: [D], mean of each target with its error, in its own units.
        without: [D], CRPS of the training rows as draws for every row.
        coverage: level → how often its interval holds.
    """

    rows: np.ndarray
    draws: np.ndarray
    targets: tuple[str, ...]
    score: tuple[float, float]
    crps: list[tuple[float, float]]
    without: list[float]
    coverage: dict[float, Coverage]

    def table(self) -> str:
        """Lines to print: a target each, then the score of all together."""
        heading = f"forecasts ({len(self.rows):,} rows)"
        width = max(len(heading), *map(len, self.targets)) + 2
        levels = "".join(f"{f'{level:.0%} holds':>18}" for level in self.coverage)
        lines = [f"{heading:<{width}}{'CRPS':>20}{'no features':>14}{levels}"]
        for i, name in enumerate(self.targets):
            mean, error = self.crps[i]
            line = f"{name:<{width}}{f'{mean:.4g} ± {error:.2g}':>20}"
            line += f"{self.without[i]:>14.4g}"
            for held in self.coverage.values():
                share, deviation = 100 * held.share[i], 100 * held.error[i]
                line += f"{f'{share:.1f} ± {deviation:.1f} %':>18}"
            lines.append(line)
        mean, error = self.score
        lines.append(f"energy score, in standard deviations: {mean:.4f} ± {error:.4f}")
        return "\n".join(lines)

    def record(self) -> dict[str, Any]:
        """The same as data, for `metrics.json`."""
        return {
            "energy_score": self.score,
            "crps": dict(zip(self.targets, self.crps, strict=True)),
            "crps_without_features": dict(zip(self.targets, self.without, strict=True)),
            "coverage": {
                f"{level:g}": {
                    name: (float(held.share[i]), float(held.error[i]))
                    for i, name in enumerate(self.targets)
                }
                for level, held in self.coverage.items()
            },
        }


def forecast(task: Task, model: DensityModel) -> Forecasts | None:
    """Judges draws for held-out rows; None where no target was named.

    Args:
        task: the run.
        model: the best model.
    """
    if task.options.target is None or task.test.context is None:
        return None
    rows = task.test.equal_rows()[:_MOST_ROWS]
    x, context = task.test.values[rows], task.test.context[rows]
    seed = task.options.seed
    blocks = draw_forecasts(model, context, _DRAWS, seed=seed)
    draws = np.concatenate(list(blocks), axis=1)
    train = task.train.equally_weighted().values
    some = np.random.default_rng(seed).choice(len(train), _DRAWS)
    marginal = crps(x, np.repeat(train[some, np.newaxis], len(x), axis=1))
    deviation = train.std(axis=0)
    score = EnergyScore(scale=deviation.tolist()).score(x, draws)
    return Forecasts(
        rows,
        draws,
        task.schema.columns,
        mean_and_standard_error(np.asarray(score)),
        [mean_and_standard_error(column) for column in crps(x, draws).T],
        marginal.mean(axis=0).tolist(),
        {level: interval_coverage(x, draws, level) for level in _LEVELS},
    )
