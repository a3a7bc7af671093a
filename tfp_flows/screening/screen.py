"""What is wrong with rows, in words, in the order in which it matters."""

from collections.abc import Iterator

import numpy as np

from tfp_flows.screening import columns, limits, repeats
from tfp_flows.screening.limits import Words
from tfp_flows.screening.rows import Rows, row_keys
from tfp_flows.screening.words import Argument, listing

__all__ = [
    "discrete_columns",
    "num_distinct",
    "repeat_by_nature",
    "repeated_rows",
    "unbounded",
    "unreadable",
    "unusable",
]

# Share of rows that may be copies of others in measurements that are merely rounded.
_FEW_COPIES = 0.05


def unreadable(rows: Rows) -> Iterator[Words]:
    """Yields why a model gives rows no number: missing ones, or ones too large."""
    missing = limits.not_finite(rows)
    if missing is not None:
        yield missing
    else:
        yield from limits.too_large(rows)


def unusable(rows: Rows) -> Iterator[Words]:
    """Yields why no model can be fitted to rows: its dtype does not tell them apart."""
    yield from unreadable(rows)
    yield from limits.too_fine(rows)


def unbounded(rows: Rows) -> Iterator[Words]:
    """Yields why the likelihood of rows has no maximum: columns without a density.

    Columns that the model dequantizes have one. Whole numbers, grids and spikes are
    those of `discrete_columns`.
    """
    rows = rows.continuous()
    surplus = list(_surplus(rows))
    yield from surplus
    if rows.context is not None and (same := columns.constant(rows.context)).any():
        name = rows.context_columns[int(np.argmax(same))]
        yield (
            f"the context column {name!r} has one value in every row: leave it out of ",
            Argument("context"),
        )
    # Copies depend on each other, and are named already.
    found = None if surplus else columns.dependent(rows)
    if found is not None:
        name, others = found
        yield (
            f"column {name!r} is a linear function of {', '.join(others)}, so the "
            "density is infinite: leave it out with ",
            Argument("exclude", [name]),
        )
    counters = columns.counting(rows.values, rows.places)
    if counters.any():
        name = rows.columns[int(np.argmax(counters))]
        yield (
            f"column {name!r} counts the rows in equal steps: leave it out with ",
            Argument("exclude", [name]),
        )


def _surplus(rows: Rows) -> Iterator[Words]:
    """Names every constant or copied column at once, so that one remedy is enough."""
    same = columns.constant(rows.values)
    surplus = [rows.columns[i] for i in np.flatnonzero(same)]
    reasons = [f"{name!r} has one value in every row" for name in surplus]
    for first, second in columns.copied(rows):
        if second not in surplus:
            reasons.append(f"{second!r} repeats {first!r} up to shift and scale")
            surplus.append(second)
    if surplus:
        more = f" and {len(reasons) - 3} more" if len(reasons) > 3 else ""
        yield (
            f"column {', '.join(reasons[:3])}{more}, so the density is infinite: leave "
            "out with ",
            Argument("exclude", surplus),
        )


def discrete_columns(rows: Rows) -> Iterator[Words]:
    """Yields the words for columns of whole numbers, and for those with spikes."""
    rows = rows.continuous()
    varying = ~columns.constant(rows.values)
    integers = repeats.whole(rows.values) & varying
    names = [rows.columns[i] for i in np.flatnonzero(integers)]
    if names:
        yield (
            f"integer-valued columns ({listing(names)}) have no density: add ",
            Argument("integers", "dequantize"),
            " to model them plus uniform noise, or leave them out with ",
            Argument("exclude", names),
        )
    others = varying & ~integers
    found = [spike for spike in repeats.spikes(rows.values) if others[spike.index]]
    if not found:
        return
    names = [rows.columns[spike.index] for spike in found]
    facts = [
        f"{name!r} has the value {spike}"
        for name, spike in zip(names, found, strict=True)
    ]
    yield (
        f"column {'; '.join(facts[:3])}"
        + (f"; and {len(facts) - 3} more" if len(facts) > 3 else "")
        + ": likelihoods rise without bound as a model narrows around repeated values: "
        "condition on it with ",
        Argument("context", names),
        ", leave it out with ",
        Argument("exclude", names),
        ", or, on a grid, add ",
        Argument("integers", "dequantize"),
        " to model it plus uniform noise of one step",
    )


def num_distinct(rows: Rows) -> int:
    """Returns how many rows differ; N where they repeat by nature: no copies then."""
    if repeat_by_nature(rows):
        return len(rows.values)
    return len(np.unique(row_keys(*rows.blocks)))


def repeat_by_nature(rows: Rows) -> bool:
    """Whether no column is continuous, so that equal rows are no copies."""
    values = rows.continuous().values
    # In turn: most tables have a continuous column among the first.
    return not any(
        not repeats.whole(column)[0] and not repeats.spikes(column)
        for column in (values[:, [index]] for index in range(values.shape[1]))
    )


def repeated_rows(rows: Rows) -> Iterator[Words]:
    """Yields the words for rows of which many are copies."""
    count, distinct = len(rows.values), num_distinct(rows)
    if distinct < (1 - _FEW_COPIES) * count:
        yield (
            f"{count:,} rows hold {distinct:,} distinct ones: held-out likelihoods are "
            "too good where copies of a row stand on both sides of a split: leave "
            "copies out, or keep all copies of a row on one side",
        )
