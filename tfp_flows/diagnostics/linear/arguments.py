"""What `linear_flow_optimum` accepts; every refusal with its remedy."""

import math
from typing import Any

import numpy as np

from tfp_flows.diagnostics.linear.closed_forms import Constraint
from tfp_flows.diagnostics.linear.families import FAMILIES

__all__ = ["check", "check_base", "check_base_size", "check_size", "constraint_on"]

_MAX_FULL_SIZE = 5000


def check(
    family: str,
    rank: int | None,
    ridge: float,
    event_ndims: int,
    units: str,
    bin_width: float,
) -> None:
    """Refuses arguments that contradict each other, before any data is read."""
    if family not in FAMILIES:
        raise ValueError(
            f"family must be one of {tuple(FAMILIES)}, received {family!r}."
        )
    if (rank is not None) != (family == "ppca"):
        raise ValueError(
            f"rank is for family='ppca', which needs it; received rank={rank} with "
            f"family={family!r}."
        )
    fewest = 1 + FAMILIES[family].is_spatial
    if event_ndims < fewest:
        raise ValueError(
            f"family={family!r} needs events of at least {fewest} axes, [positions..., "
            f"channels] for convolutions; received event_ndims={event_ndims}."
        )
    if units not in ("nats", "bits/dim"):
        raise ValueError(f"units must be 'nats' or 'bits/dim', received {units!r}.")
    if not ridge >= 0 or not bin_width > 0:
        raise ValueError(
            "ridge must be at least 0 and bin_width positive, received "
            f"{ridge} and {bin_width}."
        )


def constraint_on(
    family: str, min_scale: float | None, max_scale: float | None, rank: int | None
) -> Constraint:
    """Returns what is asked of W; its singular values lie in [0, ∞) without bounds."""
    low = 0.0 if min_scale is None else float(min_scale)
    high = math.inf if max_scale is None else float(max_scale)
    if not 0 <= low <= high or high == 0:
        raise ValueError(
            "Expected 0 ≤ min_scale ≤ max_scale with max_scale > 0, received "
            f"{min_scale} and {max_scale}."
        )
    constraint = Constraint(low, high, rank or 0)
    if constraint.is_bounded and not FAMILIES[family].is_bounded:
        bounded = [name for name, entry in FAMILIES.items() if entry.is_bounded]
        raise ValueError(
            f"min_scale and max_scale apply to {', '.join(bounded)}; received "
            f"family={family!r}."
        )
    return constraint


def check_size(family: str, size: int, rank: int | None) -> None:
    """Refuses a matrix of more than 5,000 features, and an impossible rank."""
    if size > _MAX_FULL_SIZE:
        raise ValueError(
            f'family="{family}" needs a {size} × {size} matrix; at most '
            f"{_MAX_FULL_SIZE} features are supported. Choose conv1x1 or circular_conv "
            "(with event_ndims ≥ 2), or diagonal."
        )
    if family == "ppca" and not 0 <= (rank or 0) < size:
        raise ValueError(
            f"rank must lie in 0 … {size - 1} for {size} features, received {rank}. "
            'For all components use family="full".'
        )


def check_base(base: Any) -> None:
    """Refuses a base distribution that is not the standard normal."""
    if base is None:
        return
    from tensorflow_probability import distributions as tfd

    inner = base
    while isinstance(inner, tfd.Independent | tfd.Sample):
        inner = inner.distribution
    is_normal = isinstance(inner, tfd.Normal | tfd.MultivariateNormalLinearOperator)
    if not is_normal or not _is_standard(base, inner):
        raise ValueError(
            "The closed form holds for a standard normal base, received "
            f"{_described(inner, is_normal)}. There is none for other bases (already "
            "for Laplace it is independent component analysis); leave base out to "
            "compare with flows that have a normal base."
        )


def check_base_size(base: Any, event_shape: tuple[int, ...]) -> None:
    """Refuses a base over events of another size than the data's."""
    size = math.prod(event_shape)
    # One number stands for every column.
    found = 1 if base is None else math.prod((*base.batch_shape, *base.event_shape))
    if base is not None and found not in (1, size):
        raise ValueError(
            f"Expected a base over the {size} numbers of an event of shape "
            f"{tuple(event_shape)}, received {base.name!r} over {found}. Pass the base "
            "of a flow for these data, or leave it out."
        )


def _described(inner: Any, is_normal: bool) -> str:
    name = type(inner).__name__
    return f"{name} with another mean or covariance" if is_normal else name


def _is_standard(base: Any, inner: Any) -> bool:
    from tensorflow_probability import distributions as tfd

    mean, deviation = np.asarray(base.mean()), np.asarray(base.stddev())
    if not (np.allclose(mean, 0) and np.allclose(deviation, 1)):
        return False
    if isinstance(inner, tfd.Normal | tfd.MultivariateNormalDiag):
        return True
    # Unit deviations say nothing about correlations.
    covariance = np.asarray(inner.covariance())
    return bool(np.allclose(covariance, np.eye(covariance.shape[-1]), atol=1e-6))
