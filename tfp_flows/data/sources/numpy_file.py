"""NumPy files: matrices of rows, and stacks of gray images."""

import contextlib
import functools
import pathlib
import zipfile
import zlib
from collections.abc import Iterator

import numpy as np

from tfp_flows.data.errors import DataError
from tfp_flows.data.particles import position_names
from tfp_flows.data.sources.source import Source, refused, slices
from tfp_flows.data.table import Schema

__all__ = ["numpy_source"]

_UINT8_LEVELS = 256


def numpy_source(path: pathlib.Path) -> Source:
    """Opens a `.npy` file as a memory map, or loads a `.npz` file whole.

    [N] is one column, [N, D] are rows; [N, H, W] and [N, H, W, C] of uint8 are images,
    [N, P, 2] and [N, P, 3] of floats the positions of P particles.
    A `.npz` file holds one array, or `x` and optionally `context`.
    """
    arrays = _load(path)
    values, image_shape = _flatten(path, arrays["x"])
    particles = None
    if image_shape is None and arrays["x"].ndim == 3:
        particles = arrays["x"].shape[1:]
    context = values[:, :0]
    if "context" in arrays:
        context = _as_rows(path, arrays["context"], len(values))
    schema = Schema(
        _numbered("x" if image_shape is None else "pixel", values)
        if particles is None
        else position_names(particles),
        _numbered("context", context),
        image_shape=image_shape,
        levels=None if image_shape is None else _UINT8_LEVELS,
        particle_shape=particles,
    )
    read = functools.partial(slices, (values, context), schema.names)
    return Source(str(path), schema, read, conditions=True, has_names=False)


def _load(path: pathlib.Path) -> dict[str, np.ndarray]:
    """Returns the array `x`, and `context` where there is one."""
    errors = (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error)
    what = "a whole NumPy file of numbers"
    with (
        refused(path, what, "save it again with numpy.save or numpy.savez", *errors),
        _without_pickles(),
        # NumPy leaves a file open that turns out to be no archive.
        path.open("rb") as stream,
    ):
        archive = path.suffix.lower() == ".npz"
        loaded = np.load(stream) if archive else np.load(path, mmap_mode="r")
        if isinstance(loaded, np.ndarray):
            return {"x": loaded}
        with loaded:
            arrays = dict(loaded)
    if len(arrays) == 1:
        return dict(zip("x", arrays.values(), strict=True))
    if "x" not in arrays or arrays.keys() - {"x", "context"}:
        raise DataError(
            f"{path}: expected one array, or 'x' and optionally 'context', found the "
            f"keys {', '.join(arrays) or 'none'}: save it again with these names"
        )
    return arrays


@contextlib.contextmanager
def _without_pickles() -> Iterator[None]:
    """Keeps NumPy from advising to load what could run code."""
    try:
        yield
    except ValueError as error:
        if "pickle" in str(error):
            raise ValueError("it holds something else than numbers") from error
        raise


def _flatten(
    path: pathlib.Path, array: np.ndarray
) -> tuple[np.ndarray, tuple[int, int, int] | None]:
    """Returns [N, D] rows, and (H, W, C) where they are images."""
    _check_numeric(path, array)
    if array.ndim == 1:
        return array[:, None], None
    if array.ndim == 2:
        return array, None
    if array.ndim in (3, 4) and array.dtype == np.uint8:
        height, width = array.shape[1:3]
        channels = array.shape[3] if array.ndim == 4 else 1
        return array.reshape(len(array), -1), (height, width, channels)
    if array.ndim == 3 and array.dtype.kind == "f" and array.shape[2] in (2, 3):
        return array.reshape(len(array), -1), None
    raise DataError(
        f"{path}: expected rows [N, D], images [N, H, W] or [N, H, W, C] of uint8, or "
        f"particles [N, P, 2] or [N, P, 3] of floats, received "
        f"shape {list(array.shape)} of {array.dtype}: reshape or convert it"
    )


def _as_rows(path: pathlib.Path, context: np.ndarray, num_rows: int) -> np.ndarray:
    _check_numeric(path, context)
    context = context[:, None] if context.ndim == 1 else context
    if context.ndim != 2 or len(context) != num_rows:
        raise DataError(
            f"{path}: expected 'context' of shape [{num_rows}, C], one row for each "
            f"row of 'x', received {list(context.shape)}"
        )
    return context


def _check_numeric(path: pathlib.Path, array: np.ndarray) -> None:
    if array.dtype.kind not in "fiub":
        raise DataError(
            f"{path}: expected real numbers, received dtype {array.dtype}: convert the "
            "array with .astype('float64')"
        )
    if array.size == 0:
        lacks = "rows" if len(array) == 0 else "columns"
        raise DataError(
            f"{path}: the array of shape {list(array.shape)} has no {lacks}: give "
            "another file"
        )


def _numbered(prefix: str, array: np.ndarray) -> tuple[str, ...]:
    return tuple(f"{prefix}{i}" for i in range(array.shape[1]))
