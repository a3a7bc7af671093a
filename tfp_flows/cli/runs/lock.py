"""The lock of a folder or file while a process writes it."""

import contextlib
import fcntl
import json
import os
import pathlib
import socket
import time
from collections.abc import Iterator

from tfp_flows.cli.errors import RunError

__all__ = ["check_unlocked", "locked", "sign"]


@contextlib.contextmanager
def locked(path: pathlib.Path, what: str) -> Iterator[None]:
    """Holds the lock of a file, which is made where it is not there yet.

    The operating system releases it when the process ends, however it ends: no lock
    outlives its holder.

    Args:
        path: the file.
        what: who writes what, the beginning of the message.

    Raises:
        RunError: another process holds it.
        OSError: the file cannot be made, or its file system knows no locks.
    """
    with path.open("ab") as file:
        _acquire(file.fileno(), fcntl.LOCK_EX, path, what)
        yield


def check_unlocked(path: pathlib.Path, what: str) -> None:
    """Raises RunError where another process holds the lock of a file."""
    if path.is_file():
        with path.open("rb") as file:
            _acquire(file.fileno(), fcntl.LOCK_SH, path, what)


def sign(path: pathlib.Path) -> None:
    """Writes who holds a lock into its file, for the message to others."""
    since = time.strftime("%Y-%m-%d %H:%M:%S")
    holder = {"pid": os.getpid(), "host": socket.gethostname(), "since": since}
    path.write_text(json.dumps(holder) + "\n")


def _acquire(descriptor: int, kind: int, path: pathlib.Path, what: str) -> None:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        raise RunError(f"{what}{_holder(path)}: wait until it ends") from None
    # The file may have been renamed or removed between its opening and its locking.
    if not path.exists() or not os.path.samestat(os.fstat(descriptor), path.stat()):
        raise RunError(f"{what}, and has just ended: repeat the command")


def _holder(path: pathlib.Path) -> str:
    """Who signed a lock; nothing where nobody did."""
    with contextlib.suppress(OSError, ValueError, LookupError, TypeError):
        holder = json.loads(path.read_bytes()[:400])
        return " (pid {pid}, host {host}, since {since})".format(**holder)
    return ""
