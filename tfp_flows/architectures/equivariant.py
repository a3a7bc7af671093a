"""Continuous flows of particles."""

from typing import Any

from tensorflow_probability import distributions as tfd

from tfp_flows.architectures import assembly
from tfp_flows.architectures.continuous import looser
from tfp_flows.bijectors import CenteredScale, Continuous, Divergence
from tfp_flows.bijectors.affine.centered import Centered
from tfp_flows.distributions import CenteredNormal
from tfp_flows.networks import EquivariantVelocity
from tfp_flows.ode import AdaptiveSteps, Solver

__all__ = ["equivariant_flow"]


def equivariant_flow(
    num_particles: int,
    dimension: int,
    *,
    num_layers: int = 2,
    hidden_size: int = 32,
    coordinate_range: float = 15.0,
    attention: bool = True,
    solver: Solver = Solver(steps=AdaptiveSteps(relative_to="component")),  # noqa: B008
    training_solver: Solver | None = None,
    training_divergence: Divergence | None = None,
    context_size: int | None = None,
    node_features: int | None = None,
    base: tfd.Distribution | None = None,
    seed: int | None = None,
    dtype: Any = "float32",
    name: str = "equivariant_flow",
) -> tfd.TransformedDistribution:
    """Returns a flow of particles that is the same turned, mirrored or permuted.

        centered → one scale → continuous → base

    The density is one on the configurations of zero center of mass, (N − 1) n
    dimensions; a configuration is centered first, so that data need not be, and
    samples are. The scale is set from data by `FlowModel.adapt`, which `fit` calls; the
    velocity starts at zero. Log-densities are exact; with two layers their divergence
    carries one derivative a pair of particles.

    With node features particles are of several kinds, such as atoms of molecules, and
    up to N of them. The context of a configuration is N · K numbers, K for each place,
    not scaled: `h.reshape(len(h), -1)` of h [rows, N, K]. A place whose numbers are all
    0 has no particle: it is 0 in samples, its position is not looked at, and the
    density is one in (M − 1) n dimensions, M of the particles that are there. Permuted
    together with their features they are as likely.

    Args:
        num_particles: N ≥ 2.
        dimension: n, of space.
        num_layers: layers of the graph network; from three on the exact divergence
            costs N · n evaluations: train with `HutchinsonDivergence()` then, or by
            `FlowMatching`, which asks for none and gains much by a third layer.
        hidden_size: width of its messages and features.
        coordinate_range: the farthest that a pair of particles pushes, in all layers.
        attention: whether messages have a gate.
        solver: of densities and samples: Tsitouras 5(4) at tolerance 1e-5, each row
            with steps of its own, the same for a turned configuration.
        training_solver: of a step of training; default tolerance 1e-4, or the
            solver's if that is larger, with steps that the rows share.
        training_divergence: that of a step of training, exact by default.
        context_size: features of a context of each configuration, such as a
            temperature; None without one.
        node_features: K, numbers of each particle that do not turn with it, such as a
            one-hot kind or a charge; None: equal particles, all N there.
        base: distribution over events [N, n] that rotations and permutations do not
            change; default `CenteredNormal`, for heavier tails `CenteredStudentT`, with
            the same node features.
        seed: makes the initial weights reproducible.
        dtype: dtype of event and weights.
        name: name of the distribution.

    Example:
        >>> equivariant_flow(4, 2).event_shape
        TensorShape([4, 2])

    Reference: Garcia Satorras et al. (2021), "E(n) Equivariant Normalizing Flows",
    arXiv:2105.09016.
    """
    network = EquivariantVelocity(
        num_particles,
        dimension,
        hidden_size=hidden_size,
        num_layers=num_layers,
        coordinate_range=coordinate_range,
        attention=attention,
        context_size=context_size,
        node_features=node_features,
        seed=seed,
        dtype=dtype,
        name="velocity",
    )
    places = None if node_features is None else network.context_size
    layers = [
        Centered(context_size=places, dtype=dtype),
        CenteredScale(
            num_particles, dimension, node_features=node_features, dtype=dtype
        ),
        Continuous(
            network,
            solver=solver,
            training_solver=training_solver or looser(solver),
            training_divergence=training_divergence,
        ),
    ]
    base = base or CenteredNormal(
        num_particles, dimension, node_features=node_features, dtype=dtype
    )
    _check_base(base, network, places)
    return assembly.flow(base, layers, name)


def _check_base(
    base: tfd.Distribution, network: EquivariantVelocity, places: int | None
) -> None:
    asks = getattr(base, "context_size", None)
    if tuple(base.event_shape) != network.event_shape or asks != places:
        raise ValueError(
            f"base: expected a distribution over events of shape "
            f"{list(network.event_shape)} with node_features={network.node_features}, "
            f"such as CenteredNormal, received {base.name!r} of event shape "
            f"{list(base.event_shape)} and context_size {asks}."
        )
