"""Reading the files of a run, which a full disk or a stray edit may have damaged."""

import contextlib
import pathlib
import zipfile
import zlib
from collections.abc import Iterator

from tfp_flows.cli.errors import RunError

__all__ = ["reading"]

# What the readers of JSON, NumPy, HDF5 and Keras files raise for one that is not whole.
_SIGNS = (
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    TypeError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
)


@contextlib.contextmanager
def reading(path: pathlib.Path) -> Iterator[None]:
    """Turns what a reader raises for a missing or damaged file into one line.

    Args:
        path: The file of a run that is read within.

    Raises:
        RunError: Naming the file.
    """
    try:
        yield
    except _SIGNS as error:
        state = "is damaged" if path.is_file() else "is missing"
        raise RunError(
            f"{path}: this file of a run {state}: fit the model again with --overwrite"
        ) from error
