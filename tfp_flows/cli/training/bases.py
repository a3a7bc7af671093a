"""From the name of a base and the training rows to a distribution, and why."""

import itertools

import numpy as np
from tensorflow_probability import distributions as tfd

from tfp_flows.architectures import assembly
from tfp_flows.cli.errors import RunError
from tfp_flows.cli.rows import event_arrays
from tfp_flows.cli.training.distribution import build_distribution
from tfp_flows.cli.training.task import Task
from tfp_flows.distributions import (
    Copula,
    CopulaDistribution,
    IndependenceCopula,
    choose_marginals,
    fit_copula,
    fit_marginals,
    fit_student_t,
)
from tfp_flows.models import FlowModel

__all__ = ["fitted_base"]

# Rows that tails and dependence are estimated from.
_ROWS = 20_000


def fitted_base(task: Task) -> tfd.Distribution | None:
    """Returns the base that the run asks for, estimated from its training rows.

    Estimated is the distribution of the rows where training starts: whitened ones.
    Marginals and copula train with the flow. What was decided is printed.

    Args:
        task: the run.

    Returns:
        A distribution, or None for the architecture's own base: the mixture.

    Raises:
        RunError: there are too few rows to estimate from.
    """
    kind = task.options.base
    if kind in (None, "mixture"):
        return None
    size = len(task.schema.columns)
    normal = assembly.standard_normal(size, "float32")
    if kind == "gaussian":
        return normal
    try:
        return _estimated(kind, _start(task, normal), task.schema.columns)
    except ValueError as error:
        raise RunError(f"--base {kind}: {error}") from error


def _start(task: Task, normal: tfd.Distribution) -> np.ndarray:
    """Training rows as the flow's first step has them, [N, D]."""
    distribution = build_distribution(task.flow, task.schema, base=normal)
    model = FlowModel(distribution)
    rows = task.train.equally_weighted()
    x, context = event_arrays(model, rows.values, rows.context)
    chosen = np.random.default_rng(task.options.seed).permutation(len(x))[:_ROWS]
    x, context = x[chosen], None if context is None else context[chosen]
    model.adapt(x, context)
    return model.inverse(x, context).numpy()


def _estimated(
    kind: str, z: np.ndarray, columns: tuple[str, ...]
) -> tfd.Distribution | None:
    families = ["student-t"] * len(columns)
    if kind != "student-t":
        families = choose_marginals(z)
    if kind == "auto" and "student-t" not in families:
        print("\nbase       mixture: no column has heavy tails")
        return None
    parts = fit_marginals(z, families, trainable=True)
    copula = None
    if len(columns) > 1:
        copula = IndependenceCopula(len(columns))
        if kind == "copula":
            copula = fit_copula(z, trainable=True)
    print(f"\nbase       {_decision(z, columns, families, copula)}", flush=True)
    if copula is None:
        return tfd.Independent(parts[0], 1)
    return CopulaDistribution(copula, parts)


def _decision(
    z: np.ndarray,
    columns: tuple[str, ...],
    families: list[str],
    copula: Copula | None,
) -> str:
    """One line: each family with its columns, and what joins them."""
    df = fit_student_t(z).df
    named = [
        (family, name if family == "normal" else f"{name} (ν = {degrees:.1f})")
        for family, name, degrees in zip(families, columns, df, strict=True)
    ]
    groups = itertools.groupby(sorted(named), key=lambda pair: pair[0])
    texts = [
        f"{family}: {', '.join(text for _, text in group)}" for family, group in groups
    ]
    if copula is not None and not isinstance(copula, IndependenceCopula):
        texts.append(f"joined by {type(copula).__name__}")
    return "; ".join(texts)
