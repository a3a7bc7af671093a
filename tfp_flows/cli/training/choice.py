"""Where a flow starts: which coordinates and base, chosen on validation rows.

A mixture and a copula are judged by their own likelihood, in closed form; a single
Gaussian by where a small flow gets from it in a short training, which also says
whether to whiten, and a continuous flow by some flow matching. The start is then no
worse than the mixture that the run is compared with, and simpler where a flow soon
finds the modes by itself.
"""

import dataclasses
import functools

import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfp_flows.cli.flows import NORMAL_BASED
from tfp_flows.cli.rows import event_arrays
from tfp_flows.cli.training.bases import (
    StartRows,
    estimated_base,
    fitted_base,
    start_rows,
)
from tfp_flows.cli.training.batches import training_batches
from tfp_flows.cli.training.distribution import build_distribution
from tfp_flows.cli.training.matching import SHORTEST_MATCHED, match
from tfp_flows.cli.training.optimizer import new_optimizer
from tfp_flows.cli.training.task import Task
from tfp_flows.diagnostics import Yardstick, fit_mixture
from tfp_flows.distributions import GaussianMixture, choose_marginals
from tfp_flows.models import FlowModel

__all__ = ["Start", "Starts"]

# Wider bases have too many numbers; on fewer rows differences are chance; shorter
# trainings are not worth the trial, which takes a tenth of the steps of this many
# epochs on a small table, in a flow of a fifth of the cost.
_MOST_COLUMNS, _LEAST_ROWS, _LEAST_EPOCHS = 128, 200, 40
_TRIAL_STEPS, _MATCHING_STEPS = 160, 2_000
_TRIAL_FLOW = {"num_layers": 3, "hidden_sizes": (32, 32)}


@dataclasses.dataclass(frozen=True)
class Start:
    """What a flow is before its first step.

    Attributes:
        base: "given" by the options, "mixture", "copula" or "gaussian".
        whiten: whether columns are decorrelated first, or standardized.
        scores: of the candidates, nats a validation row, by name.
    """

    base: str
    whiten: bool
    scores: dict[str, float] = dataclasses.field(default_factory=dict)

    def __str__(self) -> str:
        columns = "whitened" if self.whiten else "standardized"
        text = f"{self.base} on {columns} columns"
        if not self.scores:
            return text
        scores = ", ".join(f"{name} {nats:.2f}" for name, nats in self.scores.items())
        return f"{text}, by nats of validation rows: {scores}"


class Starts:
    """The starts that a run can have; what they share is computed once.

    Args:
        task: the run.
    """

    def __init__(self, task: Task) -> None:
        self._task = task
        self._rows = functools.cache(functools.partial(start_rows, task))

    def choose(self) -> Start:
        """Returns the start that the options name, or the best on validation rows.

        The choice is a function of the data and the seed, and is printed.
        """
        task = self._task
        is_wide = len(task.schema.columns) > _MOST_COLUMNS
        if task.options.base is not None or task.flow in NORMAL_BASED or is_wide:
            return Start("given", task.options.whiten != "no")
        candidates = self._closed_form()
        if _has_time_for_trials(task):
            # Matching a second time would tell little of where likelihood ends.
            tried = self._coordinates[: 1 if task.flow == "continuous" else 2]
            for whiten in tried:
                candidates["gaussian", whiten] = _trial(task, whiten)
        start = _best(candidates)
        print(f"\nbase       {start}", flush=True)
        return start

    def distribution(self, start: Start, seed: int) -> tfd.Distribution:
        """Returns the distribution that a start describes; rows set what is left open.

        Args:
            start: of `choose`.
            seed: of the initial weights.
        """
        task, size = self._task, len(self._task.schema.columns)
        base: tfd.Distribution | None
        if start.base == "given":
            base = fitted_base(task, whiten=start.whiten)
        elif start.base == "gaussian":
            base = GaussianMixture(size, num_components=1)
        elif start.base == "copula":
            base = self._copula(self._rows(whiten=start.whiten))
        else:
            base = self._mixture(self._rows(whiten=start.whiten))
        fixed = task.flow in NORMAL_BASED
        options = {} if fixed else {"whiten": start.whiten}
        return build_distribution(
            task.flow, task.schema, seed=seed, base=base, **options
        )

    @property
    def _coordinates(self) -> tuple[bool, ...]:
        """Whether to whiten: what was asked for, or both."""
        named = {"yes": (True,), "no": (False,), None: (True, False)}
        return named[self._task.options.whiten]

    @functools.cached_property
    def _fitted_mixture(self) -> Yardstick:
        # The ridge has the units of single columns: in those of whitened ones it
        # would hide what varies least, and be worse by up to a nat.
        rows = self._rows(whiten=False)
        return fit_mixture(rows.train, rows.validation, seed=self._task.options.seed)

    def _closed_form(self) -> dict[tuple[str, bool], float]:
        """Candidates that need no training: the mixture, copulas of heavy tails."""
        scores: dict[tuple[str, bool], float] = {}
        for whiten in self._coordinates:
            rows = self._rows(whiten=whiten)
            bases: dict[str, tfd.Distribution] = {}
            if not scores:
                # Its likelihood is the same in both coordinates.
                bases["mixture"] = self._mixture(rows)
            if "student-t" in choose_marginals(rows.train):
                bases["copula"] = self._copula(rows)
            for name, base in bases.items():
                # Traced once: eagerly parts of a copula are traced again and again.
                scored = tf.function(base.log_prob)(tf.constant(rows.validation))
                score = np.mean(scored) + rows.log_det
                scores[name, whiten] = float(score)
        return scores

    def _copula(self, rows: StartRows) -> tfd.Distribution:
        return estimated_base("copula", rows.train, self._task.schema.columns)[0]

    def _mixture(self, rows: StartRows) -> GaussianMixture:
        """The mixture that does best on validation rows, as a base."""
        fitted = self._fitted_mixture
        # Both are linear in the columns and have mean zero.
        standard, there = (
            part.train.astype("float64") for part in (self._rows(whiten=False), rows)
        )
        matrix = np.linalg.lstsq(standard, there, rcond=None)[0]
        half = fitted.scale[:, np.newaxis] * matrix
        base = GaussianMixture(len(matrix), num_components=fitted.components)
        base.set_components(
            fitted.weights,
            (fitted.means * fitted.scale + fitted.shift) @ matrix,
            half.T @ fitted.covariances @ half,
        )
        return base


def _has_time_for_trials(task: Task) -> bool:
    least = SHORTEST_MATCHED if task.flow == "continuous" else _LEAST_EPOCHS
    return (
        task.options.epochs >= least
        and task.validation.num_rows >= _LEAST_ROWS
        and task.table.image_shape is None
    )


def _trial(task: Task, whiten: bool) -> float:
    """Nats of a validation row after a short training from one Gaussian."""
    base = GaussianMixture(len(task.schema.columns), num_components=1)
    is_matched = task.flow == "continuous"
    size = {} if is_matched else _TRIAL_FLOW
    seed, schema = task.options.seed, task.schema
    model = FlowModel(
        build_distribution(
            task.flow, schema, seed=seed, base=base, whiten=whiten, **size
        )
    )
    model.compile(new_optimizer(task, _TRIAL_STEPS))
    # Weighted rows as rows that count alike.
    train, held_out = (
        event_arrays(model, part.values, part.context)
        for part in (task.train.equally_weighted(), task.validation.equally_weighted())
    )
    x, context = train
    model.adapt(x, context)
    batch_size = min(task.batch_size, len(x))
    batches, _ = training_batches(x, context, batch_size=batch_size, seed=seed)
    if is_matched:
        match(task, model, batches, _MATCHING_STEPS)
    else:
        model.fit(batches, steps_per_epoch=_TRIAL_STEPS, verbose=0)
    held = model.evaluate(*held_out, batch_size=1024, verbose=0, return_dict=True)
    score = -float(held["loss"])
    return score if np.isfinite(score) else -np.inf


def _best(candidates: dict[tuple[str, bool], float]) -> Start:
    """The candidate with the highest score; whitening by the trials, if there are."""
    (base, whiten), _ = max(candidates.items(), key=lambda pair: pair[1])
    trials = {key[1]: candidates[key] for key in candidates if key[0] == "gaussian"}
    if base == "mixture" and trials:
        whiten = max(trials, key=lambda key: trials[key])
    names = {"gaussian": "short training from a Gaussian", "copula": "copula"}
    scores = {"mixture": candidates["mixture", next(iter(candidates))[1]]}
    for (name, white), score in candidates.items():
        if name != "mixture":
            columns = "whitened" if white else "standardized"
            scores[f"{names[name]} ({columns})"] = score
    return Start(base, whiten, scores)
