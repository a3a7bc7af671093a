"""Continuous flows for tables."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from tensorflow_probability import distributions as tfd

from tfp_flows.architectures import assembly
from tfp_flows.bijectors import Continuous, Divergence
from tfp_flows.networks import VelocityMLP
from tfp_flows.ode import AdaptiveSteps, Solver

__all__ = ["continuous_flow", "looser"]


def continuous_flow(
    event_size: int,
    *,
    num_layers: int = 1,
    hidden_sizes: Sequence[int] = (128, 128),
    gated: bool = False,
    end_time: float = 1.0,
    solver: Solver = Solver(),  # noqa: B008
    training_solver: Solver | None = None,
    training_divergence: Divergence | None = None,
    context_size: int | None = None,
    whiten: bool = True,
    base: tfd.Distribution | None = None,
    activation: str = "tanh",
    seed: int | None = None,
    dtype: Any = "float32",
    name: str = "continuous_flow",
) -> tfd.TransformedDistribution:
    """Returns a flow that follows velocities, over raw rows [batch..., D].

        whiten → L × continuous → base

    Whitening and the base are set from data by `FlowModel.adapt`, which `fit` calls.
    Velocities start at zero: before its first step the flow is a full-covariance
    Gaussian, or a Gaussian mixture where rows are few for D. With two hidden layers
    the divergence is exact at the cost of one more product of matrices.

    Args:
        event_size: D.
        num_layers: L, velocities one after the other.
        hidden_sizes: width of each hidden layer.
        gated: scale hidden units by functions of time.
        end_time: T of each layer.
        solver: of densities and samples: Tsitouras 5(4) at tolerance 1e-5, each row
            with steps of its own.
        training_solver: of a step of training; default tolerance 1e-4, or the
            solver's if that is larger, with steps that the rows share.
        training_divergence: that of a step of training, exact by default;
            `HutchinsonDivergence()` is cheaper with many columns and three hidden
            layers or more. Densities are exact.
        context_size: features of a context, None without one.
        whiten: whether columns are decorrelated first, or standardized one by one.
        base: distribution over [D]; default a trainable `GaussianMixture`, N(0, I)
            beyond 128 columns. One with a method `initialize(z)` is set from data.
        activation: a smooth Keras activation.
        seed: makes the initial weights reproducible.
        dtype: dtype of event and weights.
        name: name of the distribution.

    Example:
        >>> continuous_flow(3, hidden_sizes=[8]).event_shape
        TensorShape([3])

    Reference: Grathwohl et al. (2019), "FFJORD", arXiv:1810.01367; training tolerance:
    Huang and Yeh (2021), arXiv:2012.04228, released code.
    """
    assembly.check_sizes(event_size=event_size, num_layers=num_layers)
    layers = assembly.preprocessing(event_size, dtype, whiten=whiten)
    for index in range(num_layers):
        network = VelocityMLP(
            event_size,
            gated=gated,
            hidden_sizes=hidden_sizes,
            context_size=context_size,
            activation=activation,
            seed=None if seed is None else seed + 1000 * index,
            dtype=dtype,
            name=f"velocity_{index}",
        )
        layers.append(
            Continuous(
                network,
                end_time=end_time,
                solver=solver,
                training_solver=training_solver or looser(solver),
                training_divergence=training_divergence,
                name=f"continuous_{index}",
            )
        )
    return assembly.table_density(base, layers, event_size, dtype, name)


def looser(solver: Solver) -> Solver | None:
    """The solver of a step of training: tolerance 1e-4, steps that the rows share."""
    steps = solver.steps
    if not isinstance(steps, AdaptiveSteps):
        return None
    rtol, atol = (max(tolerance, 1e-4) for tolerance in (steps.rtol, steps.atol))
    shared = dataclasses.replace(steps, rtol=rtol, atol=atol, control="batch")
    return dataclasses.replace(solver, steps=shared)
