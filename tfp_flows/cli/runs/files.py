"""Files of a run: they appear whole or not at all, and may be found damaged."""

import contextlib
import json
import math
import os
import pathlib
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

from tfp_flows.cli.errors import RunError
from tfp_flows.cli.runs.lock import locked

__all__ = ["beside", "naming", "new_file", "reading", "write_json"]

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


def beside(path: pathlib.Path) -> pathlib.Path:
    """Where a file is written until it is whole; a killed command's is used again."""
    # The ending is kept because writers choose their format by it.
    return path.with_name(f".{path.stem}.tfp-flows-partial{path.suffix}")


@contextlib.contextmanager
def new_file(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yields a path to write to, which becomes `path` unless an error is raised.

    Raises:
        RunError: another command is writing the same file.
    """
    partial = beside(path)
    with naming(path), locked(partial, f"another command is writing {path}"):
        try:
            yield partial
            os.replace(partial, path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise


@contextlib.contextmanager
def naming(path: pathlib.Path) -> Iterator[None]:
    """Names the file or folder in an error that does not, as that of a full disk."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


def write_json(path: pathlib.Path, content: Any) -> None:
    """Writes JSON whole or not at all; numbers that JSON lacks as "inf" or "nan"."""
    text = json.dumps(_finite(content), indent=2, allow_nan=False)
    with new_file(path) as partial:
        partial.write_text(text + "\n")


def _finite(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    if isinstance(content, float) and not math.isfinite(content):
        return str(float(content))
    return content


@contextlib.contextmanager
def reading(path: pathlib.Path) -> Iterator[None]:
    """Turns what a reader raises for a missing or damaged file into one line.

    Args:
        path: the file of a run that is read within.

    Raises:
        RunError: the file cannot be read; it is named.
    """
    try:
        yield
    except _SIGNS as error:
        state = "is damaged" if path.is_file() else "is missing"
        raise RunError(
            f"{path}: this file of a run {state}: fit the model again with --overwrite"
        ) from error
