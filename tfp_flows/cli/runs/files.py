"""Files of a run: they appear whole or not at all, and may be found damaged."""

import contextlib
import json
import os
import pathlib
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

from tfp_flows.cli.errors import RunError

__all__ = ["check_target", "new_file", "reading", "write_json"]

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


def check_target(
    target: str | pathlib.Path, endings: tuple[str, ...], *, overwrite: bool
) -> pathlib.Path:
    """Returns the path of a file that may be written, or says why it may not."""
    path = pathlib.Path(target)
    if path.suffix.lower() not in endings:
        raise RunError(
            f"--out {path}: expected a file ending in {', '.join(endings)}, received "
            f"{path.suffix or 'no ending'}: choose another name"
        )
    if path.exists() and not overwrite:
        raise RunError(f"--out {path}: the file exists: add --overwrite to replace it")
    if path.is_dir():
        raise RunError(f"--out {path}: this is a folder: choose another name")
    if not path.parent.is_dir():
        raise RunError(f"--out {path}: there is no folder {path.parent}: make it first")
    if not os.access(path.parent, os.W_OK):
        raise RunError(
            f"--out {path}: the folder {path.parent} is not writable: choose another"
        )
    return path


@contextlib.contextmanager
def new_file(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yields a path to write to, which becomes `path` unless an error is raised."""
    # The ending is kept because writers choose their format by it.
    beside = path.with_name(f".{path.stem}.partial{path.suffix}")
    try:
        yield beside
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def write_json(path: pathlib.Path, content: Any) -> None:
    """Writes JSON whole or not at all."""
    with new_file(path) as beside:
        beside.write_text(json.dumps(content, indent=2) + "\n")


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
