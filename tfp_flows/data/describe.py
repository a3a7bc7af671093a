"""What a table holds, in the terms a person needs before fitting a density."""

import dataclasses

import numpy as np

from tfp_flows.data.errors import listing
from tfp_flows.data.table import Table

__all__ = ["Description", "describe"]

# A column is discrete-looking when it has fewer distinct values than this fraction of
# its rows, or one value takes up more than this fraction of them.
_DISCRETE_FRACTION = 0.05

# Correlations are computed in float64: copies of a column agree to about 1e-15.
_COPY_TOLERANCE = 1e-12


@dataclasses.dataclass(frozen=True)
class Description:
    """Counts and names; rows with NaN or infinities are left out of all but `invalid`.

    Attributes:
        name: name of the table.
        num_rows: N.
        num_columns: D.
        context_columns: names of the columns conditioned on.
        image_shape: (H, W, C) when rows are images.
        levels: number of gray levels of an image.
        dropped: rows left out when the table was loaded.
        invalid: rows with NaN or infinities that are still in the table.
        missing: columns with NaN or infinities.
        constant: columns with one value.
        duplicated: pairs of columns that are equal up to shift and scale, the first
            of them modeled.
        integers: columns that hold only integers.
        discrete: columns with few distinct or often repeated values.
        first_line: how a first line was read that could be names or a row.
        effective_rows: (Σw)² / Σw² of the rows' weights; None without weights.
    """

    name: str
    num_rows: int
    num_columns: int
    context_columns: tuple[str, ...] = ()
    image_shape: tuple[int, int, int] | None = None
    levels: int | None = None
    dropped: int = 0
    invalid: int = 0
    missing: tuple[str, ...] = ()
    constant: tuple[str, ...] = ()
    duplicated: tuple[tuple[str, str], ...] = ()
    integers: tuple[str, ...] = ()
    discrete: tuple[str, ...] = ()
    first_line: str | None = None
    effective_rows: float | None = None

    def text(self) -> str:
        """Returns the description as lines of a label and a value."""
        columns = f"{self.num_columns}"
        if self.image_shape is not None:
            shape = " x ".join(map(str, self.image_shape))
            columns += f" (images {shape}, {self.levels} gray levels)"
        pairs = tuple(f"{first} = {second}" for first, second in self.duplicated)
        lines = [
            ("data", self.name),
            ("rows", f"{self.num_rows:,}"),
            ("dropped", f"{self.dropped:,}"),
            ("columns", columns),
        ]
        if self.first_line is not None:
            lines.insert(1, ("first line", self.first_line))
        if self.effective_rows is not None:
            lines.append(("weights", f"worth {self.effective_rows:,.0f} equal rows"))
        if self.context_columns:
            lines.append(("context", listing(self.context_columns)))
        if self.invalid:
            lines.append(("invalid", f"{self.invalid:,} rows: {listing(self.missing)}"))
        if self.image_shape is None:
            lines += [
                ("constant", listing(self.constant) or "none"),
                ("duplicated", listing(pairs) or "none"),
                ("integers", listing(self.integers) or "none"),
                ("discrete", listing(self.discrete) or "none"),
            ]
        return "\n".join(f"{label:<11}{value}" for label, value in lines)


def describe(table: Table) -> Description:
    """Describes a table."""
    finite = table.finite_rows()
    values = table.values[finite]
    description = Description(
        name=table.name,
        num_rows=table.num_rows,
        num_columns=len(table.columns),
        context_columns=table.context_columns,
        image_shape=table.image_shape,
        levels=table.levels,
        dropped=table.dropped,
        invalid=int(len(finite) - finite.sum()),
        missing=_missing(table),
        first_line=_first_line(table),
        effective_rows=_effective_rows(table.weight),
    )
    if table.image_shape is not None or not len(values):
        return description
    constant = values.min(axis=0) == values.max(axis=0)
    return dataclasses.replace(
        description,
        constant=_where(table.columns, constant),
        duplicated=_duplicated(table, finite),
        integers=_where(table.columns, (values == np.rint(values)).all(axis=0)),
        discrete=_where(table.columns, [_looks_discrete(c) for c in values.T]),
    )


def _first_line(table: Table) -> str | None:
    if table.header is None:
        return None
    names = listing(table.source_columns, 4)
    if table.header:
        return f"names, {names} (header no: a row)"
    return f"a row, columns named {names} (header yes: names)"


def _effective_rows(weight: np.ndarray | None) -> float | None:
    return None if weight is None else float(weight.sum() ** 2 / np.sum(weight**2))


def _missing(table: Table) -> tuple[str, ...]:
    missing = _where(table.columns, ~np.isfinite(table.values).all(axis=0))
    if table.context is not None:
        bad = ~np.isfinite(table.context).all(axis=0)
        missing += _where(table.context_columns, bad)
    return missing


def _duplicated(table: Table, rows: np.ndarray) -> tuple[tuple[str, str], ...]:
    names, values = table.columns, table.values[rows]
    if table.context is not None:
        names += table.context_columns
        values = np.hstack([values, table.context[rows]])
    varying = np.flatnonzero(values.min(axis=0) != values.max(axis=0))
    if len(varying) < 2 or len(values) < 3:
        return ()
    with np.errstate(all="ignore"):  # Overflow is refused by name in `check`.
        correlation = np.corrcoef(values[:, varying], rowvar=False)
    copies = np.argwhere(np.triu(np.abs(correlation) > 1.0 - _COPY_TOLERANCE, k=1))
    pairs = ((int(varying[i]), int(varying[j])) for i, j in copies)
    modeled = len(table.columns)
    return tuple((names[i], names[j]) for i, j in pairs if i < modeled)


def _looks_discrete(column: np.ndarray) -> bool:
    _, counts = np.unique(column, return_counts=True)
    threshold = max(_DISCRETE_FRACTION * len(column), 1.0)
    return len(counts) < threshold or bool(counts.max() > threshold)


def _where(names: tuple[str, ...], mask: np.ndarray | list[bool]) -> tuple[str, ...]:
    return tuple(name for name, chosen in zip(names, mask, strict=True) if chosen)
