"""Rows to train on that are not kept in memory, but read from their files anew."""

import dataclasses
import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from tfp_flows.data.bounds import check_bounds
from tfp_flows.data.errors import Argument, DataError
from tfp_flows.data.sources.parts import files_of
from tfp_flows.data.stream import stream_rows
from tfp_flows.data.table import Schema, Table
from tfp_flows.screening import finite_rows, row_keys
from tfp_flows.screening.limits import too_large
from tfp_flows.screening.repeats import on_grid

__all__ = ["StreamedRows"]

# Numbers that are shuffled at once, and read at once of how many files in turns.
_SHUFFLED, _FILES, _MOST_ROWS = 2**24, 4, 16_384


class StreamedRows:
    """The rows of a pattern of files, or of one, without those held out.

    Args:
        source: the files.
        schema: what a row holds.
        held_out: rows to leave out, each as often as it is there.
        copies: also leave out all rows that are equal to one of these.
    """

    def __init__(
        self, source: str, schema: Schema, held_out: Sequence[Table], *, copies: bool
    ) -> None:
        self._source, self._schema = source, schema
        keys = [row_keys(np.hstack(part.rows().blocks)) for part in held_out]
        self._keys, counts = np.unique(np.concatenate(keys), return_counts=True)
        self._counts = np.full_like(counts, np.iinfo("int64").max) if copies else counts
        self._width = len(schema.names)
        self.failure: DataError | None = None

    def batches(self, size: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
        """Yields batches of exactly so many rows, [size, D + C], without an end.

        Files are read in an order drawn anew, a block of each of four in turns, and
        mixed with as many rows as are held at once. What ends the reading is kept in
        `failure`, whoever else catches it.
        """
        left = np.zeros([0, self._width])
        try:
            for pool in itertools.chain.from_iterable(
                self._pools(rng) for _ in itertools.count()
            ):
                rows = np.concatenate([left, pool])
                whole = len(rows) // size * size
                yield from np.split(rows[:whole], whole // size) if whole else ()
                left = rows[whole:]
        except DataError as error:
            self.failure = error
            raise

    def checked_count(self, table: Table) -> int:
        """Checks every row as those in memory were, and returns how many to train on.

        Args:
            table: those in memory.

        Raises:
            DataError: a number is beyond float32, outside of its column's bounds or
                off its grid; or no row is left.
        """
        left, first, count = self._counts.copy(), 1, 0
        plain = dataclasses.replace(self._schema, integer_columns=(), grid_steps=())
        for values, context in stream_rows(self._source, plain, self._block):
            rows = values if context is None else np.hstack([values, context])
            kept = finite_rows(rows)
            if kept.any():
                some = dataclasses.replace(
                    table,
                    values=values[kept],
                    context=None if context is None else context[kept],
                    row_numbers=first + np.flatnonzero(kept),
                    drawn_from=None,
                )
                _check(some, self._schema)
                count += int((~self._is_held_out(rows[kept], left)).sum())
            first += len(rows)
        if not count:
            raise DataError(
                f"{table.name}: no row is left to train on: all are equal to rows held "
                "out"
            )
        return count

    def _pools(self, rng: np.random.Generator) -> Iterator[np.ndarray]:
        pool: list[np.ndarray] = []
        for rows in self._kept(rng):
            pool.append(rows)
            if sum(map(len, pool)) * self._width >= _SHUFFLED:
                yield rng.permutation(np.concatenate(pool))
                pool = []
        if pool:
            yield rng.permutation(np.concatenate(pool))

    def _kept(self, rng: np.random.Generator) -> Iterator[np.ndarray]:
        left = self._counts.copy()
        for values, context in self._blocks(rng):
            rows = values if context is None else np.hstack([values, context])
            rows = rows[finite_rows(rows)]
            yield rows[~self._is_held_out(rows, left)]

    def _is_held_out(self, rows: np.ndarray, left: np.ndarray) -> np.ndarray:
        """Which rows are, [N]; takes them from how often each may still be."""
        keys = row_keys(rows)
        place = np.searchsorted(self._keys, keys).clip(max=len(self._keys) - 1)
        equal = np.flatnonzero(self._keys[place] == keys)
        equal = equal[np.argsort(place[equal], kind="stable")]
        key, first, counts = np.unique(
            place[equal], return_index=True, return_counts=True
        )
        # Of equal rows the first ones are left out.
        number = np.arange(len(equal)) - np.repeat(first, counts)
        out = np.zeros(len(rows), bool)
        out[equal[number < left[place[equal]]]] = True
        left[key] -= np.minimum(left[key], counts)
        return out

    def _blocks(self, rng: np.random.Generator) -> Iterator[tuple]:
        files = rng.permutation(np.array(files_of(self._source), object))
        waiting = [stream_rows(file, self._schema, self._block) for file in files]
        while waiting:
            for reader in waiting[:_FILES]:
                block = next(reader, None)
                if block is None:
                    waiting.remove(reader)
                else:
                    yield block

    @property
    def _block(self) -> int:
        """Rows that are read at once."""
        return int(np.clip(_SHUFFLED // self._width // (2 * _FILES), 1, _MOST_ROWS))


def _check(rows: Table, schema: Schema) -> None:
    for words in too_large(rows.rows()):
        raise DataError(f"{rows.name}: ", *words)
    check_bounds(rows, schema.bounds, schema.integer_columns)
    for index in np.flatnonzero(schema.steps):
        column, step = rows.values[:, index], schema.steps[index]
        off = np.flatnonzero(~on_grid(column, step))
        if len(off):
            name = rows.columns[index]
            raise DataError(
                f"{rows.name}: column {name!r} holds {column[off[0]]:g} in row "
                f"{rows.row_number(int(off[0]))}, no multiple of {step:g} as in the "
                "rows that are kept: take ",
                Argument("integers", "continuous"),
                ", or leave it out with ",
                Argument("exclude", [name]),
            )
