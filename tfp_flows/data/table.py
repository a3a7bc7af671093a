"""A table of numbers: rows to model, and optionally rows to condition on."""

import dataclasses
import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from tfp_flows.data.categories import Category
from tfp_flows.data.errors import Argument, DataError
from tfp_flows.screening import Rows, finite_rows, repeat_by_nature

__all__ = ["Bound", "DrawnFrom", "Schema", "Table"]

Bound = tuple[str, float | None, float | None]


@dataclasses.dataclass(frozen=True)
class Schema:
    """What one row holds: the contract between a fitted model and new data.

    Attributes:
        columns: names of the modeled columns, in order.
        context_columns: names of the columns conditioned on, in order.
        source_columns: every name of the source, before columns were chosen.
        image_shape: (H, W, C) when a row is a flattened image.
        levels: number of gray levels `0, ..., levels - 1` of an image.
        integer_columns: names of the columns modeled as whole steps of a grid.
        grid_steps: the step of each of these; () for steps of one.
        bounds: (name, low, high) of columns with bounds; None where there is none.
        header: whether a first line that could be a row was taken for names; None
            where there was no such line.
        missing: cells that stand for a missing number.
        categories: columns of text to condition on, each with its texts in order.
        particle_shape: (N, n) when a row is the positions of N particles.
    """

    columns: tuple[str, ...]
    context_columns: tuple[str, ...] = ()
    source_columns: tuple[str, ...] = ()
    image_shape: tuple[int, int, int] | None = None
    levels: int | None = None
    integer_columns: tuple[str, ...] = ()
    grid_steps: tuple[float, ...] = ()
    bounds: tuple[Bound, ...] = ()
    header: bool | None = None
    missing: tuple[str, ...] = ()
    categories: tuple[Category, ...] = ()

    @property
    def read_names(self) -> tuple[str, ...]:
        """The same columns under the source's names: one of text for its several."""
        own = {f"{name}={t}": name for name, texts in self.categories for t in texts}
        return tuple(dict.fromkeys(own.get(name, name) for name in self.names))

    particle_shape: tuple[int, int] | None = None

    @property
    def degrees_of_freedom(self) -> int:
        """D, or that less n: of particles the center of mass is not modeled."""
        fixed = 0 if self.particle_shape is None else self.particle_shape[1]
        return len(self.columns) - fixed

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that are modeled, then those conditioned on."""
        return (*self.columns, *self.context_columns)

    @property
    def steps(self) -> list[float]:
        """The step of each modeled column's grid, 0 where it is continuous."""
        known = self.grid_steps or (1.0,) * len(self.integer_columns)
        step = dict(zip(self.integer_columns, known, strict=True))
        return [step.get(name, 0.0) for name in self.columns]

    @classmethod
    def from_dict(cls, fields: dict) -> "Schema":
        """Builds a schema from `dataclasses.asdict` after a trip through JSON."""
        return cls(**{name: _as_tuple(value) for name, value in fields.items()})


@dataclasses.dataclass(frozen=True)
class DrawnFrom:
    """The rows that a table was drawn from.

    Attributes:
        num_rows: how many have no gap.
        most: how many could be kept.
        checksum: of them all.
    """

    num_rows: int
    most: int
    checksum: int


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows of one data set, in memory.

    Attributes:
        name: short name, for headings.
        values: [N, D] float64, images flattened row by row.
        columns: the D names.
        context: [N, C] float64, or None when nothing is conditioned on.
        context_columns: the C names.
        source_columns: every name of the source, before columns were chosen.
        image_shape: (H, W, C) when rows are images, H·W·C = D.
        levels: number of gray levels `0, ..., levels - 1` of an image.
        partition: [N] of 0 (train), 1 (validation), 2 (test) where the set fixes
            its own split.
        dropped: number of rows left out because they held no finite number.
        weight: [N], how much each row counts; None where all count alike.
        header: as in `Schema`.
        missing: as in `Schema`.
        categories: as in `Schema`.
        row_numbers: [N], place of each row in the source, from 1; None for all rows
            in order.
        particle_shape: as in `Schema`.
        drawn_from: the rows of the source, where the table was drawn from them at
            random; None where it holds them all.
    """

    name: str
    values: np.ndarray
    columns: tuple[str, ...]
    context: np.ndarray | None = None
    context_columns: tuple[str, ...] = ()
    source_columns: tuple[str, ...] = ()
    image_shape: tuple[int, int, int] | None = None
    levels: int | None = None
    partition: np.ndarray | None = None
    dropped: int = 0
    weight: np.ndarray | None = None
    header: bool | None = None
    missing: tuple[str, ...] = ()
    categories: tuple[Category, ...] = ()
    row_numbers: np.ndarray | None = None
    particle_shape: tuple[int, int] | None = None
    drawn_from: DrawnFrom | None = None

    def __post_init__(self) -> None:
        expected = (len(self.values), len(self.columns))
        if self.values.shape != expected:
            raise DataError(
                f"{self.name}: expected values of shape {expected} for "
                f"{len(self.columns)} column names, received {self.values.shape}"
            )
        if self.context is not None:
            expected = (len(self.values), len(self.context_columns))
            if self.context.shape != expected:
                raise DataError(
                    f"{self.name}: expected context of shape {expected}, one row for "
                    f"each row of values, received {self.context.shape}"
                )

    @property
    def num_rows(self) -> int:
        """Returns N, how many rows there are."""
        return len(self.values)

    @property
    def schema(self) -> Schema:
        """What one row holds."""
        return Schema(
            columns=self.columns,
            context_columns=self.context_columns,
            source_columns=self.source_columns or self.columns,
            image_shape=self.image_shape,
            levels=self.levels,
            header=self.header,
            missing=self.missing,
            categories=self.categories,
            particle_shape=self.particle_shape,
        )

    def row_number(self, row: int) -> int:
        """Returns the place of a row in the source, from 1."""
        return row + 1 if self.row_numbers is None else int(self.row_numbers[row])

    def take(self, rows: np.ndarray) -> "Table":
        """Returns the table of the given row indices (or boolean mask)."""
        context, partition = self.context, self.partition
        numbers = self.row_numbers
        if numbers is None:
            numbers = np.arange(1, self.num_rows + 1)
        return dataclasses.replace(
            self,
            values=self.values[rows],
            context=None if context is None else context[rows],
            partition=None if partition is None else partition[rows],
            weight=None if self.weight is None else self.weight[rows],
            row_numbers=numbers[rows],
        )

    @property
    def relative_weight(self) -> np.ndarray | None:
        """The weights with mean 1, [N] float32; None without weights."""
        if self.weight is None:
            return None
        return (self.weight / self.weight.mean()).astype("float32")

    def equal_rows(self) -> np.ndarray:
        """Returns N row indices that count alike: each as often as its weight asks.

        Systematic resampling: a row of weight w comes ⌊N w / Σw⌋ or ⌈N w / Σw⌉ times.
        """
        if self.weight is None:
            return np.arange(self.num_rows)
        places = (np.arange(self.num_rows) + 0.5) / self.num_rows
        share = np.cumsum(self.weight) / self.weight.sum()
        return np.searchsorted(share, places).clip(max=self.num_rows - 1)

    def equally_weighted(self) -> "Table":
        """Returns the table of `equal_rows`, without weights."""
        if self.weight is None:
            return self
        return dataclasses.replace(self.take(self.equal_rows()), weight=None)

    def rows(self, gridded: np.ndarray | None = None) -> Rows:
        """Returns what is screened: the numbers with their names.

        Args:
            gridded: [D], which columns the model will dequantize.
        """
        return Rows(
            self.name,
            self.values,
            self.columns,
            self.context,
            self.context_columns,
            gridded,
            places=None if self.drawn_from is None else self.row_numbers,
        )

    @property
    def repeats_by_nature(self) -> bool:
        """Whether equal rows are no copies: images, and rows of whole numbers."""
        return self.image_shape is not None or repeat_by_nature(self.rows())

    def finite_rows(self) -> np.ndarray:
        """Returns the [N] mask of rows in which every number is finite."""
        mask = np.logical_and.reduce([finite_rows(b) for b in self.rows().blocks])
        if self.weight is not None:
            mask &= np.isfinite(self.weight)
        return mask

    def drop_invalid(self) -> "Table":
        """Returns the table without rows that hold NaN or an infinity."""
        mask = self.finite_rows()
        if mask.all():
            return self
        if not mask.any():
            raise DataError(
                f"{self.name}: every row holds NaN or an infinity: ",
                Argument(
                    "exclude",
                    lead="leave out the empty columns with ",
                    otherwise="give rows without",
                ),
            )
        kept = self.take(mask)
        dropped = self.dropped + int(len(mask) - mask.sum())
        return dataclasses.replace(kept, dropped=dropped)

    def fingerprint(self) -> str:
        """Returns the SHA-256 of names and numbers, the same on every machine."""
        digest = hashlib.sha256()
        _update(digest, self.columns, self.values)
        if self.context is not None:
            _update(digest, self.context_columns, self.context)
        if self.weight is not None:
            _update(digest, ("weight",), self.weight)
        if self.drawn_from is not None:
            digest.update(repr(self.drawn_from).encode())
        return digest.hexdigest()


def _update(digest: "hashlib._Hash", names: Sequence[str], numbers: np.ndarray) -> None:
    digest.update("\x00".join(names).encode())
    digest.update(np.ascontiguousarray(numbers, "<f8").data)


def _as_tuple(value: Any) -> Any:
    return tuple(map(_as_tuple, value)) if isinstance(value, list) else value
