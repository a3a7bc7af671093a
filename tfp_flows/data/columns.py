"""Which of a source's columns are modeled, and which are conditioned on."""

from collections.abc import Sequence

from tfp_flows.data.errors import DataError

__all__ = ["choose_columns"]


def choose_columns(
    source: str,
    available: Sequence[str],
    *,
    columns: Sequence[str] | None = None,
    context: Sequence[str] | None = None,
    exclude: Sequence[str] = (),
    offered: Sequence[str] = (),
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Resolves a user's choice of columns.

    Args:
        source: Name of the source, for messages.
        available: Names that are modeled when nothing is chosen.
        columns: Names to model; None for all of `available` that remain.
        context: Names to condition on; None for none.
        exclude: Names to leave out.
        offered: Further names that may be asked for, but are not used by default.

    Returns:
        The modeled names and the names conditioned on.
    """
    known = [*available, *offered]
    context = tuple(context or ())
    for names, flag in (
        (columns or (), "--columns"),
        (context, "--context"),
        (exclude, "--exclude"),
    ):
        _check_names(source, names, known, flag)
    overlap = sorted(set(columns or ()) & set(context))
    if overlap:
        raise DataError(
            f"{source}: column {overlap[0]!r} is in both --columns and --context: "
            "a column is either modeled or conditioned on, name it once"
        )
    left_out = {*context, *exclude}
    chosen = tuple(c for c in (columns or available) if c not in left_out)
    if not chosen:
        raise DataError(
            f"{source}: no column is left to model: choose from {_listing(known)} "
            "with --columns"
        )
    return chosen, tuple(c for c in context if c not in set(exclude))


def _check_names(
    source: str, names: Sequence[str], known: Sequence[str], flag: str
) -> None:
    for name in names:
        if name not in known:
            raise DataError(
                f"{source}: {flag} names the column {name!r}, which is not there: "
                f"its columns are {_listing(known)}"
            )
        if list(names).count(name) > 1:
            raise DataError(f"{source}: {flag} names {name!r} twice: name it once")


def _listing(names: Sequence[str], limit: int = 20) -> str:
    shown = ", ".join(names[:limit])
    more = len(names) - limit
    return f"{shown} and {more} more" if more > 0 else shown
