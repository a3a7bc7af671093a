"""Rows to train on that are not kept in memory, but read from their files anew."""

import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from tfp_flows.data.errors import DataError
from tfp_flows.data.sources.parts import files_of
from tfp_flows.data.stream import stream_rows
from tfp_flows.data.table import Schema, Table
from tfp_flows.screening import finite_rows, row_keys

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

    def batches(self, size: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
        """Yields batches of exactly so many rows, [size, D + C], without an end.

        Files are read in an order drawn anew, a block of each of four in turns, and
        mixed with as many rows as are held at once.
        """
        left = np.zeros([0, self._width])
        for _ in itertools.count():
            seen = 0
            for pool in self._pools(rng):
                seen += len(pool)
                rows = np.concatenate([left, pool])
                whole = len(rows) // size * size
                yield from np.split(rows[:whole], whole // size) if whole else ()
                left = rows[whole:]
            if not seen:
                raise DataError(
                    f"{self._source}: no row is left to train on: all are equal to "
                    "rows held out"
                )

    def count(self) -> int:
        """How many rows one reading has."""
        return sum(map(len, self._kept(np.random.default_rng(0))))

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
        size = _SHUFFLED // self._width // (2 * _FILES)
        size = int(np.clip(size, 1, _MOST_ROWS))
        files = rng.permutation(np.array(files_of(self._source), object))
        waiting = [stream_rows(file, self._schema, size) for file in files]
        while waiting:
            for reader in waiting[:_FILES]:
                block = next(reader, None)
                if block is None:
                    waiting.remove(reader)
                else:
                    yield block
