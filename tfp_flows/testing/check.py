"""The two entry points of the audit and their tables of laws."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

from tfp_flows.testing.laws import (
    bijector_laws,
    computation_laws,
    density_laws,
    distribution_laws,
    tail_laws,
)
from tfp_flows.testing.probes.bijector_probe import probe_bijector
from tfp_flows.testing.probes.distribution_probe import probe_distribution
from tfp_flows.testing.probes.options import Options
from tfp_flows.testing.probes.probe import Probe
from tfp_flows.testing.report import (
    AuditError,
    AuditReport,
    LawResult,
    unchecked,
)

__all__ = [
    "BIJECTOR_LAWS",
    "DISTRIBUTION_LAWS",
    "check_bijector",
    "check_distribution",
]


_COMPUTATION_LAWS = (
    computation_laws.graph,
    computation_laws.xla,
    computation_laws.variables_tracked,
    computation_laws.gradients,
    computation_laws.weight_update,
)

BIJECTOR_LAWS = {
    law.__name__: law
    for law in (
        bijector_laws.round_trip,
        bijector_laws.forward_log_det,
        bijector_laws.inverse_log_det,
        bijector_laws.log_dets_cancel,
        bijector_laws.batch_shapes,
        bijector_laws.dtypes,
        *_COMPUTATION_LAWS,
        tail_laws.tail_gradients,
    )
}
"""The laws of a bijector by name, in the order in which they are checked."""

DISTRIBUTION_LAWS = {
    law.__name__: law
    for law in (
        distribution_laws.sample_shapes,
        distribution_laws.sample_seed,
        distribution_laws.log_prob_shapes,
        distribution_laws.dtypes,
        density_laws.normalization,
        density_laws.samples_match_density,
        *_COMPUTATION_LAWS,
        distribution_laws.sample_xla,
    )
}
"""The laws of a distribution by name, in the order in which they are checked."""


def check_bijector(
    bijector: tfb.Bijector,
    x: Any,
    *,
    y: Any = None,
    event_ndims: int | None = None,
    kwargs: Mapping[str, Any] | None = None,
    tolerance: float | None = None,
    tail: float = 1e4,
    jit: bool = True,
    exempt: Mapping[str, str] | None = None,
    raise_on_failure: bool = True,
) -> AuditReport:
    """Audits a bijector: y = f(x), its inverse, log-dets, gradients and variables.

    The laws are the keys of `BIJECTOR_LAWS`; each law's function says what it
    demands. Weights are changed during `weight_update` and restored afterwards.

    Args:
        bijector: any injective `tfb.Bijector` of one tensor.
        x: [batch..., event...], points of its domain, floating; six to twenty rows are
            enough. Use float64 for a sharp audit of the mathematics.
        y: points of its range for the inverse direction; by default `forward(x)`.
        event_ndims: rank of an event of x; by default the bijector's least rank, plus
            the batch axes of its parameters.
        kwargs: keyword arguments of every call, such as a context. Tensors whose
            leading axes are the batch axes of x are taken row by row.
        tolerance: largest relative error of values; by default 1e-8 in float64 and
            5e-4 in float32.
        tail: magnitude of the points in the tails. A map that overflows there, as
            `tfb.Exp` does, is audited with a smaller tail or exempted.
        jit: False if the bijector is known not to compile under XLA. The object may
            say so itself by an attribute `supports_jit = False`.
        exempt: law → the reason why it cannot hold for this object.
        raise_on_failure: False to return the report in any case.

    Returns:
        The report; `str(report)` is a table.

    Raises:
        AuditError: a law fails; it lists every one of them.
        ValueError: an argument is wrong, an exempted law is unknown, or its reason
            is empty.

    Example:
        >>> import tensorflow_probability as tfp
        >>> report = check_bijector(tfp.bijectors.Scale(2.0), [[0.5], [-1.0]])
        >>> report.passed, report["round_trip"].verdict
        (True, 'ok')
    """
    options = Options(
        laws=BIJECTOR_LAWS,
        exempt=exempt,
        kwargs=kwargs,
        tolerance=tolerance,
        jit=jit,
        y=y,
        event_ndims=event_ndims,
        tail=tail,
    )
    return _audit(probe_bijector(bijector, x, options), raise_on_failure)


def check_distribution(
    distribution: tfd.Distribution,
    x: Any = None,
    *,
    kwargs: Mapping[str, Any] | None = None,
    tolerance: float | None = None,
    support: tfb.Bijector | None = None,
    num_samples: int = 10_000,
    seed: int = 0,
    jit: bool = True,
    exempt: Mapping[str, str] | None = None,
    raise_on_failure: bool = True,
) -> AuditReport:
    """Audits a continuous distribution: density, samples, gradients and variables.

    The laws are the keys of `DISTRIBUTION_LAWS`; each law's function says what it
    demands. Weights are changed during `weight_update` and restored afterwards.

    Args:
        distribution: any `tfd.Distribution` of one floating tensor.
        x: [rows..., batch..., event...], points with a density; by default samples.
        kwargs: keyword arguments of `log_prob` and `sample`, for example
            `{"bijector_kwargs": {"context": c}}`. Tensors whose leading axes are
            those of x are taken row by row; the laws of the density use the first row
            alone.
        tolerance: largest relative error of values; by default 1e-8 in float64 and
            5e-4 in float32. The statistical laws state their own.
        support: a bijector from R^D to the support; the laws of the density then work
            in R^D. Needed where `log_prob` is not −inf or `nan` outside the support
            (for `tfd.Exponential` give `tfb.Softplus()`) or events lie on a surface
            (for `tfd.Dirichlet` give `tfb.IteratedSigmoidCentered()`).
        num_samples: samples for the laws of the density.
        seed: seed of everything random.
        jit: False if the distribution is known not to compile under XLA. The object
            may say so itself by an attribute `supports_jit = False`.
        exempt: law → the reason why it cannot hold for this object.
        raise_on_failure: False to return the report in any case.

    Returns:
        The report; `str(report)` is a table.

    Raises:
        AuditError: a law fails; it lists every one of them.
        ValueError: an argument is wrong, an exempted law is unknown, or its reason
            is empty.

    Example:
        >>> import tensorflow_probability as tfp
        >>> report = check_distribution(tfp.distributions.Normal(0.0, 2.0))
        >>> report.passed, report["normalization"].verdict
        (True, 'ok')
    """
    options = Options(
        laws=DISTRIBUTION_LAWS,
        exempt=exempt,
        kwargs=kwargs,
        tolerance=tolerance,
        jit=jit,
        support=support,
        num_samples=num_samples,
        seed=seed,
    )
    return _audit(probe_distribution(distribution, x, options), raise_on_failure)


def _audit(probe: Probe, raise_on_failure: bool) -> AuditReport:
    results = [_result(name, probe) for name in probe.options.laws]
    kind, name = type(probe.subject).__name__, probe.subject.name
    rows = f"x: {probe.x.dtype.name} {list(probe.x.shape)}"
    report = AuditReport(f"{kind} {name!r}, {rows}", tuple(results))
    if raise_on_failure and not report.passed:
        raise AuditError(report)
    return report


def _result(name: str, probe: Probe) -> LawResult:
    reason = probe.options.reason(name)
    if reason:
        return unchecked(name, f"exempt: {reason}")
    try:
        return probe.options.laws[name](probe)
    # The audited code may raise anything, and the other laws must still be run.
    except Exception as error:
        first_lines = " ".join(str(error).split())[:400]
        message = (
            "Expected the computation to run. "
            f"Received {type(error).__name__}: {first_lines}"
        )
        return LawResult(name, False, math.inf, math.nan, message)
