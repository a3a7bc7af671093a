"""Arguments of an alignment, checked, and its parts for tables."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfp_flows.architectures import coupling_flow
from tfp_flows.models.alignment.matching import MATCHINGS

__all__ = [
    "checked_critics",
    "checked_matching",
    "table_critic",
    "table_flows",
]


def checked_matching(
    matching: str | None,
    critics: Any,
    reduction: str,
    likelihood_weight: float,
    *weights: float,
) -> str:
    """Returns the name of the matching, or the default.

    Raises:
        ValueError: unknown names, critics that are missing or superfluous, a weight
            below zero, or nothing to minimize.
    """
    if matching is None:
        matching = "energy" if critics is None else "least_squares"
    if matching not in MATCHINGS:
        raise ValueError(
            f"matching must be one of {', '.join(MATCHINGS)}; received {matching!r}."
        )
    if (critics is None) == (MATCHINGS[matching] is not None):
        need = "needs critics" if critics is None else "has no use for critics"
        raise ValueError(
            f'matching={matching!r} {need}: pass critics with "least_squares", '
            '"cross_entropy" or "wasserstein", and none with "energy" or "none".'
        )
    if reduction not in ("per_dimension", "per_row"):
        raise ValueError(
            f'reduction must be "per_dimension" or "per_row", received {reduction!r}.'
        )
    if not (likelihood_weight or matching != "none"):
        raise ValueError("likelihood_weight must be above 0 without matching.")
    if not all(weight >= 0 for weight in (likelihood_weight, *weights)):
        raise ValueError(
            "likelihood_weight, pair_weight, transport_weight and slope_weight must be "
            f"numbers ≥ 0; received {(likelihood_weight, *weights)}."
        )
    return matching


def checked_critics(
    critics: Mapping[str, keras.Model] | None,
    domains: Sequence[str],
    event_shape: Sequence[int],
    dtype: tf.DType,
) -> list[keras.Model]:
    """Returns the critics in the order of the domains, built.

    Raises:
        ValueError: not one network a domain, or scores that are no numbers a row.
    """
    if critics is None:
        return []
    if set(critics) != set(domains):
        raise ValueError(
            f"Expected a critic for each of {', '.join(map(repr, domains))}, received "
            f"{', '.join(map(repr, critics))}."
        )
    networks = [critics[name] for name in domains]
    if len(set(map(id, networks))) < len(networks):
        raise ValueError("Each domain needs a critic of its own; two are one network.")
    for name, network in zip(domains, networks, strict=True):
        score = network(tf.zeros([2, *event_shape], dtype))
        if score.shape.rank == 0 or score.shape[0] != 2:
            raise ValueError(
                f"The critic of domain {name!r} must map rows [N, event...] to scores "
                f"[N, ...], received shape {tuple(score.shape)} for two rows."
            )
    return networks


def table_flows(
    domains: Sequence[str],
    event_size: int,
    *,
    num_layers: int,
    hidden_sizes: Sequence[int],
    own_layers: int,
    own_hidden_sizes: Sequence[int],
    whiten: bool,
    dtype: str,
    seed: int | None,
    **options: Any,
) -> dict[str, tfd.Distribution]:
    """White rows, couplings of each domain, and one density that all have."""
    build = {"whiten": whiten, "dtype": dtype, **options}
    zeros = tf.zeros([event_size], dtype)
    normal = tfd.MultivariateNormalDiag(zeros, tf.ones_like(zeros))
    shared = coupling_flow(
        event_size,
        base=normal,
        num_layers=num_layers,
        hidden_sizes=hidden_sizes,
        seed=seed,
        **build,
    )
    return {
        name: coupling_flow(
            event_size,
            base=shared,
            num_layers=own_layers,
            hidden_sizes=own_hidden_sizes,
            seed=None if seed is None else seed + 100 * (index + 1),
            **build,
        )
        for index, name in enumerate(domains)
    }


def table_critic(
    event_size: int,
    *,
    hidden_sizes: Sequence[int],
    undecided: float,
    seed: int | None,
    dtype: str,
) -> keras.Sequential:
    """Dense layers from a row to a score, which is undecided at the start.

    The first steps of the flows would else be those that a random critic asks for.
    """
    network = keras.Sequential([keras.Input([event_size], dtype=dtype)])
    for index, size in enumerate(hidden_sizes):
        start = keras.initializers.GlorotUniform(None if seed is None else seed + index)
        network.add(keras.layers.Dense(size, kernel_initializer=start, dtype=dtype))
        network.add(keras.layers.LeakyReLU(dtype=dtype))
    start = keras.initializers.Constant(undecided)
    network.add(
        keras.layers.Dense(
            1, kernel_initializer="zeros", bias_initializer=start, dtype=dtype
        )
    )
    return network
