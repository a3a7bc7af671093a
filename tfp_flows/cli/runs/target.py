"""Where `score` and `sample` write: a file that may be written, or the terminal."""

import contextlib
import os
import pathlib
import sys
from collections.abc import Iterator
from typing import TextIO

from tfp_flows.cli.errors import RunError
from tfp_flows.cli.runs.contents import written_by_fit
from tfp_flows.cli.runs.files import new_file

__all__ = ["announce", "check_target", "new_text"]


def check_target(
    target: str,
    endings: tuple[str, ...],
    *,
    run: str,
    data: str | None,
    overwrite: bool,
) -> pathlib.Path | None:
    """Returns the path of a file that may be written, or says why it may not.

    Args:
        target: the path; "-" for the standard output.
        endings: of the formats that can be written.
        run: the folder that the command reads.
        data: the file that it reads, if any.
        overwrite: whether a file that is there may be replaced.

    Returns:
        The path, links followed; None for the standard output.
    """
    if target == "-":
        return None
    path = pathlib.Path(target)
    if path.suffix.lower() not in endings:
        raise RunError(
            f"--out {path}: expected a file ending in {', '.join(endings)}, or - for "
            f"lines on the standard output, received {path.suffix or 'no ending'}: "
            "choose another name"
        )
    if data is not None and path.exists() and _is_same(path, data):
        raise RunError(f"--out {path}: this is the data: choose another name")
    if _is_same(path.parent, run) and written_by_fit(path.name):
        raise RunError(f"--out {path}: this is a file of the run: choose another name")
    if path.exists() and not overwrite:
        raise RunError(f"--out {path}: the file exists: add --overwrite to replace it")
    if path.is_dir():
        raise RunError(f"--out {path}: this is a folder: choose another name")
    if path.exists() and not path.is_file():
        raise RunError(
            f"--out {path}: this is a pipe or a device: choose another name, or write "
            "to the standard output with --out -"
        )
    if not path.parent.is_dir():
        raise RunError(f"--out {path}: there is no folder {path.parent}: make it first")
    if not os.access(path.parent, os.W_OK):
        raise RunError(
            f"--out {path}: the folder {path.parent} is not writable: choose another"
        )
    return path.resolve()


def _is_same(path: pathlib.Path, other: str) -> bool:
    return os.path.exists(path) and os.path.exists(other) and path.samefile(other)


@contextlib.contextmanager
def new_text(path: pathlib.Path | None) -> Iterator[TextIO]:
    """Yields lines that become a file unless an error is raised, or the output's."""
    if path is None:
        yield sys.stdout
        # Here and not at exit: a reader who has left is no error.
        sys.stdout.flush()
        return
    with (
        new_file(path) as partial,
        partial.open("w", newline="", encoding="utf-8") as lines,
    ):
        yield lines
        # A full disk shows before the file takes its place.
        lines.flush()


def announce(text: str, path: pathlib.Path | None) -> None:
    """Prints a line for the user, beside what goes to the standard output."""
    print(text, file=sys.stdout if path is not None else sys.stderr)
