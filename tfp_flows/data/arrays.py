"""Reading `.npy` and `.npz` files: matrices of rows, and stacks of gray images."""

import dataclasses
import pathlib
import zipfile
import zlib

import numpy as np

from tfp_flows.data.errors import DataError

__all__ = ["ArrayFile", "read_arrays"]


@dataclasses.dataclass(frozen=True)
class ArrayFile:
    """The arrays of one file, flattened to rows but not yet converted or copied.

    Attributes:
        values: `[N, D]`, a memory map for a `.npy` file.
        context: `[N, C]` from the key `context` of a `.npz` file.
        image_shape: `(H, W, C)` when the file held images.
    """

    values: np.ndarray
    context: np.ndarray | None = None
    image_shape: tuple[int, int, int] | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """`x0, x1, ...`, or `pixel0, pixel1, ...` for images."""
        prefix = "x" if self.image_shape is None else "pixel"
        return tuple(f"{prefix}{i}" for i in range(self.values.shape[1]))

    @property
    def context_columns(self) -> tuple[str, ...]:
        """`context0, context1, ...`."""
        width = 0 if self.context is None else self.context.shape[1]
        return tuple(f"context{i}" for i in range(width))


def read_arrays(path: pathlib.Path) -> ArrayFile:
    """Reads a `.npy` file as a memory map, or a `.npz` file.

    `[N]` is one column, `[N, D]` are rows; `[N, H, W]` and `[N, H, W, C]` of uint8
    are images. A `.npz` file holds one array, or `x` and optionally `context`.
    """
    try:
        # NumPy leaves a file open that turns out to be no archive.
        with path.open("rb") as stream:
            archive = path.suffix.lower() == ".npz"
            loaded = np.load(stream) if archive else np.load(path, mmap_mode="r")
            if isinstance(loaded, np.ndarray):
                found, context = loaded, None
            else:
                with loaded:
                    found, context = _from_keys(path, loaded)
    except DataError:
        raise
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        reason = str(error).replace("\n", " ")
        raise DataError(
            f"{path}: not a whole NumPy file of numbers ({reason}): save it again with "
            "numpy.save or numpy.savez"
        ) from error
    _check_numeric(path, found)
    values, image_shape = _flatten(path, found)
    if context is not None:
        _check_numeric(path, context)
        context = context[:, None] if context.ndim == 1 else context
        if context.ndim != 2 or len(context) != len(values):
            raise DataError(
                f"{path}: expected 'context' of shape [{len(values)}, C], one row for "
                f"each row of 'x', received {list(context.shape)}"
            )
    return ArrayFile(values, context, image_shape)


def _from_keys(
    path: pathlib.Path, archive: np.lib.npyio.NpzFile
) -> tuple[np.ndarray, np.ndarray | None]:
    keys = list(archive.keys())
    if "x" in keys and set(keys) <= {"x", "context"}:
        return archive["x"], archive["context"] if "context" in keys else None
    if len(keys) == 1:
        return archive[keys[0]], None
    raise DataError(
        f"{path}: expected one array, or 'x' and optionally 'context', found the keys "
        f"{', '.join(keys) or 'none'}: save it again with these names"
    )


def _check_numeric(path: pathlib.Path, array: np.ndarray) -> None:
    if array.dtype.kind not in "fiub":
        raise DataError(
            f"{path}: expected real numbers, received dtype {array.dtype}: convert the "
            "array with .astype('float64')"
        )
    if array.size == 0:
        raise DataError(f"{path}: the array of shape {list(array.shape)} has no rows")


def _flatten(
    path: pathlib.Path, array: np.ndarray
) -> tuple[np.ndarray, tuple[int, int, int] | None]:
    if array.ndim == 1:
        return array[:, None], None
    if array.ndim == 2:
        return array, None
    if array.ndim in (3, 4) and array.dtype == np.uint8:
        height, width = array.shape[1:3]
        channels = array.shape[3] if array.ndim == 4 else 1
        return array.reshape(len(array), -1), (height, width, channels)
    raise DataError(
        f"{path}: expected rows [N, D], or images [N, H, W] or [N, H, W, C] of uint8, "
        f"received shape {list(array.shape)} of {array.dtype}: reshape or convert it"
    )
