"""Which of a source's columns are modeled, and which are conditioned on."""

import dataclasses
from collections.abc import Sequence

from tfp_flows.data.errors import Argument, DataError, listing
from tfp_flows.data.sources.source import Source
from tfp_flows.data.table import Schema

__all__ = ["check_names", "choose_columns", "with_target"]

_COLUMNS, _CONTEXT, _EXCLUDE, _WEIGHTS, _TARGET = map(
    Argument, ("columns", "context", "exclude", "weights", "target")
)


def with_target(
    source: Source,
    columns: Sequence[str] | None,
    target: Sequence[str] | None,
    context: Sequence[str] | None,
    exclude: Sequence[str],
    weights: str | None,
) -> tuple[Sequence[str] | None, Sequence[str] | None]:
    """Returns columns and context: with targets, all others are conditioned on.

    Args:
        source: whose columns they are.
        columns: names to model, if given.
        target: names to predict, None for a density of all columns.
        context: names to predict from, if given.
        exclude: names to leave out.
        weights: name of the column of the rows' weights.
    """
    if target is None:
        return columns, context
    where, known = source.where, source.schema.names
    if columns is not None:
        raise DataError(
            f"{where}: ",
            _COLUMNS,
            " and ",
            _TARGET,
            " both name what is modeled: name it once",
        )
    check_names(where, known, target, _TARGET)
    _check_apart(where, target, _TARGET, context or (), _CONTEXT)
    _check_apart(where, target, _TARGET, exclude, _EXCLUDE)
    _check_apart(
        where, target, _TARGET, () if weights is None else (weights,), _WEIGHTS
    )
    if context is None:
        context = [name for name in known if name not in {*target, *exclude, weights}]
    if not context:
        raise DataError(
            f"{where}: no column is left to predict from: name fewer with ", _TARGET
        )
    return target, context


def choose_columns(
    source: Source,
    columns: Sequence[str] | None,
    context: Sequence[str] | None,
    exclude: Sequence[str],
    weights: str | None = None,
) -> Schema:
    """Returns the schema of rows that hold the chosen columns.

    Args:
        source: whose columns they are.
        columns: names to model; None for all that remain.
        context: names to condition on; None for what the source conditions on.
        exclude: names to leave out.
        weights: name of the column of the rows' weights, which is not modeled.
    """
    where, offered = source.where, source.schema
    whole = {
        "images, whose pixels": offered.image_shape,
        "particles, whose positions": offered.particle_shape,
    }
    kind = next((name for name, shape in whole.items() if shape is not None), None)
    if kind is not None and (columns or exclude):
        raise DataError(
            f"{where}: rows are {kind} are modeled together: leave out ",
            _COLUMNS,
            " and ",
            _EXCLUDE,
        )
    if context is None:
        context = offered.context_columns if source.conditions else ()
    check_names(where, offered.names, columns or (), _COLUMNS)
    check_names(where, offered.names, context, _CONTEXT)
    check_names(where, offered.names, exclude, _EXCLUDE)
    weighing = () if weights is None else (weights,)
    check_names(where, offered.names, weighing, _WEIGHTS)
    _check_apart(where, columns or (), _COLUMNS, context, _CONTEXT)
    _check_apart(where, columns or (), _COLUMNS, weighing, _WEIGHTS)
    _check_apart(where, context, _CONTEXT, weighing, _WEIGHTS)
    left_out = {*context, *exclude, *weighing}
    chosen = tuple(c for c in (columns or offered.columns) if c not in left_out)
    if not chosen:
        raise DataError(
            f"{where}: no column is left to model: choose from "
            f"{listing(offered.names, 20)} with ",
            _COLUMNS,
        )
    return dataclasses.replace(
        offered,
        columns=chosen,
        context_columns=tuple(c for c in context if c not in set(exclude)),
        source_columns=offered.names,
    )


def _check_apart(
    where: str,
    names: Sequence[str],
    argument: Argument,
    others: Sequence[str],
    other: Argument,
) -> None:
    overlap = sorted(set(names) & set(others))
    if overlap:
        raise DataError(
            f"{where}: column {overlap[0]!r} is in both ",
            argument,
            " and ",
            other,
            ": a column is modeled, conditioned on or a weight, name it once",
        )


def check_names(
    where: str, known: Sequence[str], names: Sequence[str], argument: Argument
) -> None:
    """Raises for a name that is not among those known, or is given twice."""
    for name in names:
        if name not in known:
            raise DataError(
                f"{where}: ",
                argument,
                f" names the column {name!r}, which is not there: its columns are "
                f"{listing(known, 20)}",
            )
        if list(names).count(name) > 1:
            raise DataError(
                f"{where}: ", argument, f" names {name!r} twice: name it once"
            )
