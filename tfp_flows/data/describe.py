"""What a table holds, in the terms a person needs before fitting a density."""

import dataclasses

import numpy as np

from tfp_flows import screening
from tfp_flows.data.errors import listing
from tfp_flows.data.table import Table
from tfp_flows.screening import columns, repeats

__all__ = ["Description", "describe"]


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
        spikes: columns of which one value holds a large share, with value and share.
        grid: columns that can be dequantized, each with its step.
        num_distinct: rows that differ; N where rows repeat by nature.
        notes: what the reader of a likelihood has to know.
        drawn_from: number of rows that the table was drawn from, or None.
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
    spikes: tuple[str, ...] = ()
    grid: tuple[tuple[str, float], ...] = ()
    num_distinct: int = 0
    notes: tuple[str, ...] = ()
    drawn_from: int | None = None

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
        if self.drawn_from is not None:
            kept = f"{self.num_rows:,} of {self.drawn_from:,}, drawn at random"
            lines[1] = ("rows", f"{kept}; training reads all, each epoch anew")
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
            if self.spikes:
                lines.append(("spikes", listing(self.spikes)))
            if self.num_distinct < self.num_rows - self.invalid:
                lines.append(("distinct", f"{self.num_distinct:,} rows"))
        lines += [("note", note) for note in self.notes]
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
        num_distinct=len(values),
        drawn_from=table.drawn_from.num_rows if table.drawn_from else None,
    )
    if table.image_shape is not None or not len(values):
        return description
    rows = table.take(finite).rows()
    constant = columns.constant(values)
    integers = repeats.whole(values)
    spikes = [
        spike
        for spike in repeats.spikes(values)
        if not constant[spike.index] and not integers[spike.index]
    ]
    steps = dict.fromkeys(np.flatnonzero(integers).tolist(), 1.0)
    steps.update({spike.index: spike.step for spike in spikes if spike.step})
    return dataclasses.replace(
        description,
        constant=_where(table.columns, constant),
        duplicated=tuple(columns.copied(rows)),
        integers=_where(table.columns, integers),
        discrete=_where(table.columns, repeats.discrete(values)),
        spikes=tuple(f"{table.columns[spike.index]} ({spike})" for spike in spikes),
        grid=tuple((table.columns[i], step) for i, step in sorted(steps.items())),
        num_distinct=screening.num_distinct(rows),
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


def _where(names: tuple[str, ...], mask: np.ndarray) -> tuple[str, ...]:
    return tuple(name for name, chosen in zip(names, mask, strict=True) if chosen)
