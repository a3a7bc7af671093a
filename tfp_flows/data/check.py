"""Refusing tables on which a density has no finite maximum or no meaning."""

from typing import Literal

import numpy as np

from tfp_flows.data.describe import Description, describe
from tfp_flows.data.errors import Argument, DataError, listing
from tfp_flows.data.table import Table

__all__ = ["IntegerPolicy", "check", "check_finite"]

IntegerPolicy = Literal["refuse", "dequantize", "continuous"]

_ROWS_PER_COLUMN = 10

# Smallest eigenvalue of the correlation matrix below which a column is a linear
# function of others: float64 rounding alone gives about 1e-16 times D.
_DEPENDENT_EIGENVALUE = 1e-12

# Largest rounding step of float32 within a column, in its standard deviations.
_COARSEST_STEP = 1e-2


def check(
    table: Table,
    *,
    integers: IntegerPolicy = "refuse",
    description: Description | None = None,
) -> None:
    """Raises unless a density can be fitted to the table.

    Rows of images may have constant, copied and integer columns: their levels are
    dequantized.

    Args:
        table: what to check.
        integers: `refuse` integer-valued columns, or let them pass because the model
            will `dequantize` them or treat them as `continuous`.
        description: The table's, where it is there already.

    Raises:
        DataError: for rows with NaN or infinities; constant, copied, linearly dependent
            or row-counting columns; fewer rows than 10 x columns; columns too coarse
            for float32; integer-valued columns unless allowed.
    """
    check_finite(table)
    if table.image_shape is not None:
        return
    _check_range(table)
    description = description or describe(table)
    if table.num_rows > 1:
        _check_copies(description)
        _check_context(table)
    needed = _ROWS_PER_COLUMN * len(table.columns)
    if table.num_rows < needed:
        raise DataError(
            f"{table.name}: expected at least {needed} rows, 10 for each of "
            f"{len(table.columns)} columns, received {table.num_rows}: give more rows, "
            "or fewer columns with ",
            Argument("columns"),
        )
    _check_dependent(table)
    _check_counter(table)
    _check_resolution(table)
    if description.integers and integers == "refuse":
        raise DataError(
            f"{table.name}: integer-valued columns ({listing(description.integers)}) "
            "have no density: add ",
            Argument("integers", "dequantize"),
            " to model them plus uniform noise, or leave them out with ",
            Argument("exclude"),
        )


def check_finite(table: Table) -> None:
    """Raises when a row holds NaN or an infinity, naming the first."""
    mask = table.finite_rows()
    if mask.all():
        return
    row = int(np.argmin(mask))
    names = table.schema.names
    numbers = table.values[row]
    if table.context is not None:
        numbers = np.concatenate([numbers, table.context[row]])
    column = names[int(np.argmin(np.isfinite(numbers)))]
    count = int(len(mask) - mask.sum())
    last = row == table.num_rows - 1
    raise DataError(
        f"{table.name}: {count:,} of {table.num_rows:,} rows hold NaN or an infinity, "
        f"first in row {row + 1}, column {column!r}"
        + (" (the last row: is the file truncated?)" if last else "")
        + ": leave them out with ",
        Argument("drop_invalid", True),
    )


def _check_copies(description: Description) -> None:
    """Names every constant or copied column at once, so that one remedy is enough."""
    reasons = [f"{name!r} has one value in every row" for name in description.constant]
    surplus = list(description.constant)
    for first, second in description.duplicated:
        if second not in surplus:
            reasons.append(f"{second!r} repeats {first!r} up to shift and scale")
            surplus.append(second)
    if surplus:
        more = f" and {len(reasons) - 3} more" if len(reasons) > 3 else ""
        raise DataError(
            f"{description.name}: column {', '.join(reasons[:3])}{more}, so the "
            "density is infinite: leave out with ",
            Argument("exclude", surplus),
        )


def _check_context(table: Table) -> None:
    if table.context is None:
        return
    constant = table.context.min(axis=0) == table.context.max(axis=0)
    if constant.any():
        name = table.context_columns[int(np.argmax(constant))]
        raise DataError(
            f"{table.name}: the context column {name!r} has one value in every row: "
            "leave it out of ",
            Argument("context"),
        )


def _check_dependent(table: Table) -> None:
    """Looks for a linear function of modeled columns that the others determine.

    Context columns may depend on each other, but may not determine modeled ones: what
    is left of these after regression on the context must vary in every direction.
    """
    values = _standardized(table.values)
    context = np.empty((table.num_rows, 0))
    if table.context is not None:
        context = _standardized(table.context)
    slopes = np.linalg.lstsq(context, values, rcond=None)[0]
    rest = values - context @ slopes
    eigenvalues, vectors = np.linalg.eigh(rest.T @ rest / table.num_rows)
    if eigenvalues[0] < _DEPENDENT_EIGENVALUE:
        weights = np.abs(np.concatenate([slopes @ vectors[:, 0], vectors[:, 0]]))
        names = (*table.context_columns, *table.columns)
        involved = [names[i] for i in np.flatnonzero(weights > 1e-3)[:9]]
        # A context column is the first to go: the rest may have a density then.
        name = involved[0]
        if name not in table.context_columns:
            name = names[int(np.argmax(weights))]
        others = ", ".join(c for c in involved if c != name)
        raise DataError(
            f"{table.name}: column {name!r} is a linear function of {others}, so the "
            "density is infinite: leave it out with ",
            Argument("exclude", [name]),
        )


def _standardized(values: np.ndarray) -> np.ndarray:
    return (values - values.mean(axis=0)) / values.std(axis=0)


def _check_counter(table: Table) -> None:
    # The tolerance lets a rounded counter such as 0.1, 0.2, 0.3, ... be found too.
    steps = np.diff(table.values, axis=0)
    tolerance = 1e-9 * np.abs(table.values).max(axis=0)
    even = np.abs(steps - steps[0]).max(axis=0) <= tolerance
    counting = even & (steps[0] != 0.0)
    if counting.any():
        name = table.columns[int(np.argmax(counting))]
        raise DataError(
            f"{table.name}: column {name!r} counts the rows in equal steps: leave it "
            "out with ",
            Argument("exclude", [name]),
        )


def _check_range(table: Table) -> None:
    largest = np.abs(table.values).max(axis=0)
    if table.context is not None:
        largest = np.concatenate([largest, np.abs(table.context).max(axis=0)])
    # A hundredth is left for what standardizing and squaring add.
    if largest.max() > 0.01 * np.finfo("float32").max:
        name = table.schema.names[int(np.argmax(largest))]
        raise DataError(
            f"{table.name}: column {name!r} reaches {largest.max():.3g}, beyond the "
            "range of float32: divide it by a constant"
        )


def _check_resolution(table: Table) -> None:
    largest = np.abs(table.values).max(axis=0)
    step = np.spacing(largest.astype("float32")) / table.values.std(axis=0)
    if step.max() > _COARSEST_STEP:
        name = table.columns[int(np.argmax(step))]
        raise DataError(
            f"{table.name}: column {name!r} varies by less than float32 resolves near "
            "its mean: subtract a constant from it"
        )
