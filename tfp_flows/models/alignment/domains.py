"""What the domains of an alignment have to share, and their rows in batches."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfp_flows.models.bridge import fitness
from tfp_flows.models.bridge import inputs as model_inputs
from tfp_flows.models.bridge.adapter import DistributionAdapter

__all__ = [
    "check_flows",
    "evaluation_batches",
    "packed_domains",
    "shuffled_batches",
]


def check_flows(flows: Mapping[str, tfd.Distribution]) -> dict[str, Any]:
    """Returns the domains' distributions as adapters, in the order given.

    Raises:
        TypeError: no mapping of names to distributions.
        ValueError: fewer than two, unequal events, no exact inverse, or bases that
            differ or have variables.
    """
    if not isinstance(flows, Mapping) or not all(
        isinstance(name, str) and name and "/" not in name for name in flows
    ):
        raise TypeError(
            "flows must be a dictionary, name of a domain (text without a slash) → "
            f"tfd.Distribution; received {flows!r}."
        )
    if len(flows) < 2:
        raise ValueError(
            f"An alignment needs two domains or more, received {list(flows)}."
        )
    adapters = {name: DistributionAdapter(flow) for name, flow in flows.items()}
    first, *others = adapters
    for name in adapters:
        _check_exact(name, adapters[name])
    for name in others:
        _check_same(first, adapters[first], name, adapters[name])
    return adapters


def _check_exact(name: str, adapter: DistributionAdapter) -> None:
    lacking = None
    if adapter.bijector is None:
        lacking = "it is no transformed distribution"
    elif adapter.context_size is not None:
        lacking = "it conditions on a context"
    elif adapter.takes_seed:
        lacking = "it rounds to a grid; pass the flow under Dequantized"
    elif adapter.learned_inverses or adapter.continuous_layers:
        lacking = "its inverse is approximate"
    if lacking is not None:
        raise ValueError(
            f"The flow of domain {name!r} cannot translate there and back exactly: "
            f"{lacking}. Build it from couplings, as AlignFlow.for_tables does."
        )


def _check_same(
    first: str, one: DistributionAdapter, name: str, other: DistributionAdapter
) -> None:
    kinds = [(a.event_shape, a.base_event_shape, a.dtype.name) for a in (one, other)]
    if kinds[0] != kinds[1]:
        raise ValueError(
            "All domains need events of one shape, a base of one shape and one dtype; "
            f"domain {first!r} has {kinds[0]} and {name!r} {kinds[1]}."
        )
    bases = [adapter.distribution.distribution for adapter in (one, other)]
    z = bases[0].sample(8, seed=[0, 0])
    score, other_score = (np.asarray(base.log_prob(z)) for base in bases)
    if any(base.variables for base in bases) or not np.allclose(score, other_score):
        raise ValueError(
            "All domains share one fixed base, such as N(0, I); those of "
            f"{first!r} and {name!r} differ or have variables: pass "
            "base=tfd.MultivariateNormalDiag(tf.zeros([D])) to both architectures."
        )


def packed_domains(x: Any, adapters: Mapping[str, DistributionAdapter]) -> Any:
    """Returns checked rows: arrays by domain, or a data set of such dictionaries.

    Raises:
        TypeError: x is neither.
        ValueError: domains are missing or unknown, columns differ in number or name, or
            a domain has fewer than two rows or a number that is not finite.
    """
    given = x.element_spec if isinstance(x, tf.data.Dataset) else x
    if not isinstance(given, Mapping):
        raise TypeError(
            f"Expected a dictionary of rows for {_listing(adapters)}, as "
            f'fit({{"a": x_a, "b": x_b}}), received {type(given).__name__}.'
        )
    if set(given) != set(adapters):
        raise ValueError(
            f"Expected rows of the domains {_listing(adapters)}, received "
            f"{_listing(given)}."
        )
    if isinstance(x, tf.data.Dataset):
        return _stream(x, adapters)
    if any(isinstance(rows, tf.data.Dataset) for rows in x.values()):
        return _stream(_zipped(x), adapters)
    return _arrays(x, adapters)


def _stream(
    data: tf.data.Dataset, adapters: Mapping[str, DistributionAdapter]
) -> tf.data.Dataset:
    for name, adapter in adapters.items():
        found = data.element_spec[name].shape
        if not found.is_compatible_with((None, *adapter.event_shape)):
            raise ValueError(
                f"x[{name!r}] must have shape {('N', *adapter.event_shape)} in a batch "
                f"of the data set, received {tuple(found)}: batch it, data.batch(256)."
            )
    ordered = data.map(lambda rows: {name: rows[name] for name in adapters})
    return fitness.checked_stream(ordered, next(iter(adapters.values())).dtype)


def _zipped(x: Mapping[str, tf.data.Dataset]) -> tf.data.Dataset:
    """Domains side by side, each repeated to the length of the longest."""
    lengths = [int(rows.cardinality()) for rows in x.values()]
    zipped = tf.data.Dataset.zip({name: rows.repeat() for name, rows in x.items()})
    if min(lengths) < 0:
        raise ValueError(
            "The data set of each domain must say how many batches it has "
            "(data.cardinality()); for endless ones pass one data set of dictionaries, "
            "tf.data.Dataset.zip, and steps_per_epoch."
        )
    return zipped.take(max(lengths))


def _arrays(x: Mapping[str, Any], adapters: Mapping[str, Any]) -> dict[str, np.ndarray]:
    tables = _in_one_order({name: x[name] for name in adapters})
    arrays = {}
    for name, adapter in adapters.items():
        what = f"x[{name!r}]"
        rows = np.asarray(model_inputs.as_arrays(tables[name], what))
        fitness.check_rows(rows, adapter.event_shape, what, adapter.dtype)
        if len(rows) < 2:
            raise ValueError(f"{what} has one row: give two or more.")
        arrays[name] = rows.astype(adapter.dtype.as_numpy_dtype)
    return arrays


def _in_one_order(x: dict[str, Any]) -> dict[str, Any]:
    """Data frames with the columns in the order of the first."""
    framed = {name: rows for name, rows in x.items() if hasattr(rows, "columns")}
    if len(framed) < 2:
        return x
    first, *others = framed
    columns = list(framed[first].columns)
    for name in others:
        own = list(framed[name].columns)
        if sorted(map(str, own)) != sorted(map(str, columns)):
            raise ValueError(
                f"Columns are matched by name: x[{first!r}] has {columns}, x[{name!r}] "
                f"has {own}. Rename or leave out those that only one has."
            )
    return {**x, **{name: framed[name][columns] for name in others}}


def _listing(names: Any) -> str:
    return ", ".join(map(repr, names))


def shuffled_batches(
    x: Mapping[str, np.ndarray],
    batch_size: int,
    steps: int | None,
    seed: tf.Variable,
    position: tf.Variable,
) -> tf.data.Dataset:
    """Returns the batches of an epoch: each domain in an order of its own.

    A domain is passed through in a permutation, then in another one, and so on,
    whatever the length of the others. Which rows a step sees follows from its number
    alone, so that a training that was interrupted goes on with the same rows.

    Args:
        x: arrays by domain.
        batch_size: B rows of each domain a step.
        steps: of an epoch; None: as many as the longest domain needs.
        seed: of all permutations its first number, int64 [2].
        position: number of steps before the epoch, int64 [].
    """
    tensors = {name: tf.constant(rows) for name, rows in x.items()}
    steps = steps or -(-max(map(len, x.values())) // batch_size)

    def gather(step: tf.Tensor) -> dict[str, tf.Tensor]:
        places = step * batch_size + tf.range(batch_size, dtype=tf.int64)
        return {
            name: tf.gather(rows, _shuffled(places, len(rows), seed, index))
            for index, (name, rows) in enumerate(tensors.items())
        }

    # Read when an epoch begins, after weights may have been restored.
    start = tf.data.Dataset.from_tensors(0).map(lambda _: position.read_value())
    numbers = start.flat_map(lambda first: tf.data.Dataset.range(first, first + steps))
    batches = numbers.map(gather, num_parallel_calls=tf.data.AUTOTUNE).prefetch(2)
    return batches.apply(tf.data.experimental.assert_cardinality(steps))


def _shuffled(
    places: tf.Tensor, count: int, seed: tf.Variable, index: int
) -> tf.Tensor:
    keys = tf.stack(
        [
            tf.broadcast_to(seed.read_value()[0], tf.shape(places)),
            tf.fill(tf.shape(places), tf.constant(index, tf.int64)),
            places // count,
        ],
        axis=-1,
    )
    keys = tf.cast(keys, tf.int32)
    # The public function takes one seed for all places.
    return tf.raw_ops.RandomIndexShuffle(
        index=places % count, seed=keys, max_index=tf.constant(count - 1, tf.int64)
    )


def evaluation_batches(x: Any, batch_size: int) -> tf.data.Dataset:
    """Returns all rows in order, each once: every domain in as many batches."""
    if isinstance(x, tf.data.Dataset):
        return x
    lengths = [len(rows) for rows in x.values()]
    # No batch without two rows of each domain, which have a distance.
    count = min(-(-max(lengths) // batch_size), min(lengths) // 2)
    tensors = {name: tf.constant(rows) for name, rows in x.items()}

    def part(index: tf.Tensor) -> dict[str, tf.Tensor]:
        return {
            name: rows[index * len(rows) // count : (index + 1) * len(rows) // count]
            for name, rows in tensors.items()
        }

    return tf.data.Dataset.range(count).map(part)
