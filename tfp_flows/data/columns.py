"""Which of a source's columns are modeled, and which are conditioned on."""

from collections.abc import Sequence

from tfp_flows.data.errors import Argument, DataError, listing
from tfp_flows.data.sources.source import Source

__all__ = ["choose_columns"]

_COLUMNS, _CONTEXT, _EXCLUDE = map(Argument, ("columns", "context", "exclude"))


def choose_columns(
    source: Source,
    columns: Sequence[str] | None,
    context: Sequence[str] | None,
    exclude: Sequence[str],
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Returns the names to model and those to condition on.

    Args:
        source: whose columns they are.
        columns: names to model; None for all of `source.columns` that remain.
        context: names to condition on; None for what the source conditions on.
        exclude: names to leave out.
    """
    where = source.where
    if source.image_shape is not None and (columns or exclude):
        raise DataError(
            f"{where}: rows are images, whose pixels are modeled together: leave out ",
            _COLUMNS,
            " and ",
            _EXCLUDE,
        )
    if context is None:
        context = source.context_columns if source.conditions else ()
    _check_names(source, columns or (), _COLUMNS)
    _check_names(source, context, _CONTEXT)
    _check_names(source, exclude, _EXCLUDE)
    overlap = sorted(set(columns or ()) & set(context))
    if overlap:
        raise DataError(
            f"{where}: column {overlap[0]!r} is in both ",
            _COLUMNS,
            " and ",
            _CONTEXT,
            ": a column is either modeled or conditioned on, name it once",
        )
    left_out = {*context, *exclude}
    chosen = tuple(c for c in (columns or source.columns) if c not in left_out)
    if not chosen:
        raise DataError(
            f"{where}: no column is left to model: choose from "
            f"{listing(source.names, 20)} with ",
            _COLUMNS,
        )
    return chosen, tuple(c for c in context if c not in set(exclude))


def _check_names(source: Source, names: Sequence[str], argument: Argument) -> None:
    for name in names:
        if name not in source.names:
            raise DataError(
                f"{source.where}: ",
                argument,
                f" names the column {name!r}, which is not there: its columns are "
                f"{listing(source.names, 20)}",
            )
        if list(names).count(name) > 1:
            raise DataError(
                f"{source.where}: ", argument, f" names {name!r} twice: name it once"
            )
