"""What the domains of an alignment have to share, flows and rows."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfp_flows.models.bridge import fitness
from tfp_flows.models.bridge import inputs as model_inputs
from tfp_flows.models.bridge.adapter import DistributionAdapter

__all__ = ["check_flows", "num_rows", "packed_domains", "packed_pairs"]


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
    if one.context_size != other.context_size:
        given = first if other.context_size is None else name
        raise ValueError(
            f"The flow of domain {given!r} conditions on a context that not all have: "
            "give every flow the same context_size, or none."
        )
    kinds = [(a.event_shape, a.base_event_shape, a.dtype.name) for a in (one, other)]
    if kinds[0] != kinds[1]:
        raise ValueError(
            "All domains need events of one shape, a base of one shape and one dtype; "
            f"domain {first!r} has {kinds[0]} and {name!r} {kinds[1]}."
        )
    bases = [adapter.distribution.distribution for adapter in (one, other)]
    if bases[0] is bases[1]:
        return
    z = bases[0].sample(8, seed=[0, 0])
    score, other_score = (np.asarray(base.log_prob(z)) for base in bases)
    if any(base.variables for base in bases) or not np.allclose(score, other_score):
        raise ValueError(
            "All domains share one fixed base, such as N(0, I), or one object as base; "
            f"those of {first!r} and {name!r} are two that differ or have variables: "
            "pass base=tfd.MultivariateNormalDiag(tf.zeros([D])) to both architectures."
        )


def packed_domains(x: Any, adapters: Mapping[str, DistributionAdapter]) -> Any:
    """Returns checked rows: arrays by domain, or a data set of such dictionaries.

    With a context both hold (rows, context) for each domain.

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
    arrays = _arrays(x, adapters)
    for name, parts in arrays.items():
        if num_rows(parts) < 2:
            raise ValueError(f"x[{name!r}] has one row: give two or more.")
    return arrays


def packed_pairs(
    pairs: Any, adapters: Mapping[str, DistributionAdapter]
) -> dict[str, Any]:
    """Returns checked rows of which the i-th of each domain belong together.

    Raises:
        TypeError: no dictionary of arrays.
        ValueError: fewer than two domains, unknown ones, or unequal numbers of rows.
    """
    if not isinstance(pairs, Mapping):
        raise TypeError(
            'pairs must be a dictionary, {"a": p_a, "b": p_b}, row by row of one '
            f"thing; received {type(pairs).__name__}."
        )
    if len(pairs) < 2 or not set(pairs) <= set(adapters):
        raise ValueError(
            f"pairs must be rows of two or more of the domains {_listing(adapters)}, "
            f"received {_listing(pairs)}."
        )
    arrays = _arrays(pairs, {d: adapters[d] for d in adapters if d in pairs}, "pairs")
    if len(set(map(num_rows, arrays.values()))) > 1:
        lengths = ", ".join(f"{d!r}: {num_rows(rows)}" for d, rows in arrays.items())
        raise ValueError(f"pairs must have one length in all domains; it is {lengths}.")
    return arrays


def num_rows(parts: Any) -> int:
    """Number of rows of an array, or of rows and their context."""
    return len(tf.nest.flatten(parts)[0])


def _stream(
    data: tf.data.Dataset, adapters: Mapping[str, DistributionAdapter]
) -> tf.data.Dataset:
    for name, adapter in adapters.items():
        found = [spec.shape for spec in tf.nest.flatten(data.element_spec[name])]
        wanted = [("N", *shape) for shape in _shapes(adapter)]
        if len(found) != len(wanted) or not all(
            one.is_compatible_with((None, *shape[1:]))
            for one, shape in zip(found, wanted, strict=True)
        ):
            raise ValueError(
                f"x[{name!r}] must have shape {', '.join(map(str, wanted))} in a batch "
                f"of the data set, received {', '.join(map(str, found))}: batch it, "
                "data.batch(256)."
            )
    ordered = data.map(lambda rows: {name: rows[name] for name in adapters})
    return fitness.checked_stream(ordered, next(iter(adapters.values())).dtype)


def _shapes(adapter: DistributionAdapter) -> list[tuple]:
    """Of a row, and of its context where flows have one."""
    context = adapter.context_size
    return [adapter.event_shape] + ([] if context is None else [(context,)])


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


def _arrays(
    x: Mapping[str, Any], adapters: Mapping[str, Any], argument: str = "x"
) -> dict[str, Any]:
    """Rows by domain, or tuples of rows and context."""
    shapes = _shapes(next(iter(adapters.values())))
    parts = {d: x[d] if isinstance(x[d], tuple) else (x[d],) for d in adapters}
    for name, given in parts.items():
        if len(given) != len(shapes):
            expected = "rows" if len(shapes) == 1 else "a tuple (rows, context)"
            raise ValueError(
                f"{argument}[{name!r}] must be {expected}, received "
                f"{type(x[name]).__name__} of length {len(x[name])}."
            )
    checked: dict[str, list[np.ndarray]] = {name: [] for name in adapters}
    for index, shape in enumerate(shapes):
        tables = {name: given[index] for name, given in parts.items()}
        for name, table in _in_one_order(tables, argument).items():
            what = f"{argument}[{name!r}]" + (", its context," if index else "")
            rows = np.asarray(model_inputs.as_arrays(table, what))
            dtype = adapters[name].dtype
            fitness.check_rows(rows, shape, what, dtype)
            checked[name].append(rows.astype(dtype.as_numpy_dtype))
    for name, arrays in checked.items():
        if len(arrays[0]) != len(arrays[-1]):
            raise ValueError(
                f"{argument}[{name!r}] has {len(arrays[0])} rows and {len(arrays[-1])} "
                "of context: give one for each."
            )
    return {d: a[0] if len(a) == 1 else tuple(a) for d, a in checked.items()}


def _in_one_order(x: dict[str, Any], argument: str) -> dict[str, Any]:
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
                f"Columns are matched by name: {argument}[{first!r}] has {columns}, "
                f"{argument}[{name!r}] has {own}. Rename or leave out those that only "
                "one has."
            )
    return {**x, **{name: framed[name][columns] for name in others}}


def _listing(names: Any) -> str:
    return ", ".join(map(repr, names))
