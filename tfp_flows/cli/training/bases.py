"""From the name of a base and the training rows to a distribution, and why."""

import itertools
from typing import NamedTuple

import numpy as np
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from tfp_flows.architectures import assembly
from tfp_flows.cli.errors import RunError
from tfp_flows.cli.rows import event_arrays
from tfp_flows.cli.training.distribution import build_distribution
from tfp_flows.cli.training.task import Task
from tfp_flows.distributions import (
    CenteredStudentT,
    Copula,
    CopulaDistribution,
    IndependenceCopula,
    choose_marginals,
    fit_copula,
    fit_marginals,
    fit_student_t,
)
from tfp_flows.models import FlowModel

__all__ = ["StartRows", "estimated_base", "fitted_base", "start_rows"]

# Rows that tails and dependence are estimated from.
_ROWS = 20_000


class StartRows(NamedTuple):
    """Rows as a flow's first step has them."""

    train: np.ndarray
    """[N, D]."""
    validation: np.ndarray
    """[V, D]."""
    log_det: float
    """Mean log|det J| of the way there, over the validation rows."""


def start_rows(task: Task, *, whiten: bool) -> StartRows:
    """Returns rows where training starts: whitened or standardized ones."""
    normal = assembly.standard_normal(len(task.schema.columns), "float32")
    # All flows start as the identity; a continuous one would solve for it.
    flow = "coupling-affine" if task.flow == "continuous" else task.flow
    model = FlowModel(build_distribution(flow, task.schema, base=normal, whiten=whiten))
    rng = np.random.default_rng(task.options.seed)
    parts: list[tuple[np.ndarray, np.ndarray | None]] = []
    for part in (task.train, task.validation):
        part = part.equally_weighted()
        x, context = event_arrays(model, part.values, part.context)
        chosen = rng.permutation(len(x))[:_ROWS]
        context = None if context is None else context[chosen]
        if not parts:
            model.adapt(x[chosen], context)
        parts.append((x[chosen], context))
    train, validation = (model.inverse(*part).numpy() for part in parts)
    log_det = np.mean(model.log_prob(*parts[1]) - normal.log_prob(validation))
    return StartRows(train, validation, float(log_det))


def fitted_base(task: Task, *, whiten: bool = True) -> tfd.Distribution | None:
    """Returns the base that the run asks for, estimated from its training rows.

    Estimated is the distribution of the rows where training starts. Marginals and
    copula train with the flow. What was decided is printed.

    Args:
        task: the run.
        whiten: whether training starts from whitened rows or standardized ones.

    Returns:
        A distribution, or None for the architecture's own base: the mixture.

    Raises:
        RunError: there are too few rows to estimate from.
    """
    kind = task.options.base
    if task.schema.particle_shape is not None:
        return _base_of_particles(kind, task.schema.particle_shape)
    if kind in (None, "mixture"):
        return None
    if kind == "gaussian":
        return assembly.standard_normal(len(task.schema.columns), "float32")
    try:
        rows = start_rows(task, whiten=whiten).train
        base, text = estimated_base(kind, rows, task.schema.columns)
    except ValueError as error:
        raise RunError(f"--base {kind}: {error}") from error
    print(f"\nbase       {text}", flush=True)
    return base


def _base_of_particles(
    kind: str | None, shape: tuple[int, int]
) -> tfd.Distribution | None:
    if kind != "student-t":
        return None
    softplus = tfp.bijectors.Softplus(low=np.float32(1.0))
    return CenteredStudentT(*shape, tfp.util.TransformedVariable(10.0, softplus))


def estimated_base(
    kind: str, z: np.ndarray, columns: tuple[str, ...]
) -> tuple[tfd.Distribution | None, str]:
    """Returns a base for rows where training starts, and what was decided.

    Args:
        kind: "student-t", "auto" or "copula".
        z: [N, D].
        columns: D names.

    Raises:
        ValueError: there are too few rows to estimate from.
    """
    families = ["student-t"] * len(columns)
    if kind != "student-t":
        families = choose_marginals(z)
    if kind == "auto" and "student-t" not in families:
        return None, "mixture: no column has heavy tails"
    parts = fit_marginals(z, families, trainable=True)
    copula = None
    if len(columns) > 1:
        copula = IndependenceCopula(len(columns))
        if kind == "copula":
            copula = fit_copula(z, trainable=True)
    text = _decision(z, columns, families, copula)
    if copula is None:
        return tfd.Independent(parts[0], 1), text
    return CopulaDistribution(copula, parts), text


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
