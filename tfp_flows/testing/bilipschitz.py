"""How much a bijector expands and contracts near given data.

Round-off of the inverse is about Lip(f⁻¹) · ε, that of the forward map Lip(f) · ε: both
constants decide whether a flow can be trained and inverted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow_probability import bijectors as tfb

from tfp_flows.testing.probes.bijector_probe import BijectorProbe, probe_bijector
from tfp_flows.testing.probes.options import Options
from tfp_flows.testing.report import AuditError, AuditReport, LawResult, judge

__all__ = ["check_bilipschitz"]


def check_bilipschitz(
    bijector: tfb.Bijector,
    x: Any,
    max_forward: float = math.inf,
    max_inverse: float = math.inf,
    *,
    event_ndims: int | None = None,
    kwargs: Mapping[str, Any] | None = None,
    raise_on_failure: bool = True,
) -> AuditReport:
    """Measures both Lipschitz constants of a bijector on data, against bounds.

    Two measures each, the larger counts: the extreme singular values of the autodiff
    Jacobian at the rows, σ_max and 1/σ_min, and the ratios of distances
    |f(x) − f(x′)| / |x − x′| of all pairs of rows. Both are empirical and local: they
    bound the constants from below, and another data set may show larger ones.

    Args:
        bijector: any injective `tfb.Bijector` of one tensor, dimensions kept.
        x: [batch..., event...], points of its domain, floating; some dozens of rows.
        max_forward: largest constant of the forward map that passes.
        max_inverse: largest constant of the inverse map that passes.
        event_ndims: rank of an event of x; by default the bijector's least rank, plus
            the batch axes of its parameters.
        kwargs: keyword arguments of every call, such as a context. Pairs of rows are
            then not compared, since each row has a map of its own.
        raise_on_failure: False to return the report in any case.

    Returns:
        The report; `report["forward"].error` and `report["inverse"].error` are the
        constants.

    Raises:
        AuditError: a constant exceeds its bound or is not a number.
        ValueError: a bound is not positive, or dimensions are not kept.

    Example:
        >>> import tensorflow_probability as tfp
        >>> scale = tfp.bijectors.Scale([4.0, 0.5])
        >>> report = check_bilipschitz(scale, [[1.0, 2.0]], 4.1, 2.1)
        >>> report["forward"].error, report["inverse"].error
        (4.0, 2.0)
    """
    if not (max_forward > 0 and max_inverse > 0):
        raise ValueError(
            "Expected positive max_forward and max_inverse. Received: "
            f"{max_forward} and {max_inverse}."
        )
    options = Options(event_ndims=event_ndims, kwargs=kwargs)
    probe = probe_bijector(bijector, x, options)
    if not probe.is_square:
        raise ValueError(
            f"Expected a bijector that keeps the number of dimensions. Received: "
            f"{bijector.name} from {tuple(probe.x.shape[1:])} to "
            f"{tuple(probe.y.shape[1:])}."
        )
    expansion, contraction = _constants(probe)
    results = (
        _judged("forward", expansion, max_forward),
        _judged("inverse", contraction, max_inverse),
    )
    name = type(bijector).__name__
    subject = f"{name} {bijector.name!r}, x: {list(probe.x.shape)}"
    report = AuditReport(subject, results)
    if raise_on_failure and not report.passed:
        raise AuditError(report)
    return report


def _constants(probe: BijectorProbe) -> tuple[float, float]:
    """Largest expansion of the forward map and of the inverse map."""
    jacobian = probe.jacobian("forward")
    if not np.isfinite(jacobian).all():
        return math.nan, math.nan
    values = np.linalg.svd(jacobian, compute_uv=False)
    with np.errstate(divide="ignore"):
        expansion, contraction = values.max(), 1 / np.float64(values.min())
    if not probe.kwargs:
        ratios = _distances(probe.y) / _distances(probe.x)
        finite = ratios[np.isfinite(ratios)]
        with np.errstate(divide="ignore"):
            expansion = max(expansion, finite.max(initial=0.0))
            contraction = max(contraction, (1 / finite).max(initial=0.0))
    return float(expansion), float(contraction)


def _distances(rows: tf.Tensor) -> np.ndarray:
    """Distances of all pairs of different rows; `nan` where two rows are equal."""
    flat = np.asarray(rows, np.float64).reshape(len(rows), -1)
    first, second = np.triu_indices(len(flat), k=1)
    distances = np.linalg.norm(flat[first] - flat[second], axis=-1)
    return np.where(distances > 0, distances, np.nan)


def _judged(direction: str, constant: float, bound: float) -> LawResult:
    return judge(
        direction,
        constant,
        bound,
        f"Expected the {direction} map to expand by at most {bound:g} on the data. "
        "Bound log-scales on both sides, or limit the inputs of couplings.",
        f"expands by {constant:.4g} at most",
    )
