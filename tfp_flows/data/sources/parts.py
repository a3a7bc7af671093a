"""Many files of the same columns as one source, read one after the other."""

import functools
import glob
import pathlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from tfp_flows.data.errors import DataError, listing
from tfp_flows.data.sources.source import Source
from tfp_flows.data.sources.text_cells import TextCells

__all__ = ["files_of", "is_pattern", "parts_source"]

_Opener = Callable[[pathlib.Path], Source]


def is_pattern(source: str | pathlib.Path) -> bool:
    """Whether the name stands for many files, and is none itself."""
    return glob.has_magic(str(source)) and not pathlib.Path(source).exists()


def files_of(source: str | pathlib.Path) -> list[pathlib.Path]:
    """Returns the files of a pattern, sorted by name; of any other name that alone."""
    if not is_pattern(source):
        return [pathlib.Path(source)]
    return [pathlib.Path(name) for name in sorted(glob.glob(str(source)))]


def parts_source(pattern: str, open_part: _Opener) -> Source:
    """Opens the files of a pattern, sorted by name.

    Args:
        pattern: such as "parts/*.parquet".
        open_part: opens one.

    Raises:
        DataError: there are none, or their columns differ.
    """
    paths = files_of(pattern)
    if not paths:
        raise DataError(f"{pattern}: no file has such a name: look at the folder")
    first = open_part(paths[0])
    for path in paths[1:]:
        # Not kept: there may be more files than a process may have open.
        _check_alike(first, open_part(path))
    return Source(
        pattern,
        first.schema,
        functools.partial(_read, paths, open_part),
        conditions=first.conditions,
        has_names=first.has_names,
        header=first.header,
    )


def _check_alike(first: Source, other: Source) -> None:
    names = first.schema.names
    # Columns are found by name, where they have one.
    same = set(names) == set(other.schema.names)
    if not (same and _kind(first) == _kind(other)):
        raise DataError(
            f"{other.where}: expected the columns of {first.where} "
            f"({listing(names)}), received {listing(other.schema.names)}: give files "
            "of one kind"
        )


def _kind(source: Source) -> tuple:
    known = source.schema
    shapes = known.image_shape, known.levels, known.particle_shape
    return *shapes, len(known.context_columns), source.has_names, source.header


def _read(
    paths: Sequence[pathlib.Path],
    open_part: _Opener,
    names: Sequence[str],
    size: int,
    text: TextCells,
) -> Iterator[np.ndarray]:
    for path in paths:
        text.enter(str(path))
        yield from open_part(path).read(names, size, text)
