"""What ends a command early, and with which exit code."""

import csv
import io
import shlex
from collections.abc import Container

__all__ = ["RunError", "RunInterrupted", "as_word", "in_flags"]

# Arguments of `tfp_flows.data` whose flag has another name.
_FLAGS = {"how": "split"}


class RunError(Exception):
    """A command that cannot go on; the message is one line that names the remedy."""


class RunInterrupted(Exception):
    """A user's Ctrl-C; the message tells how to go on."""


def in_flags(
    argument: str, value: object, offered: Container[str] | None = None
) -> str | None:
    """Returns an argument of `tfp_flows.data` as a user of the command types it.

    Args:
        argument: its name.
        value: what it was or should be; None to leave that open.
        offered: names of the command's options; None for any.

    Returns:
        The flag, or None where the command has none.
    """
    name = _FLAGS.get(argument, argument)
    if offered is not None and name not in offered:
        return None
    flag = f"--{name.replace('_', '-')}"
    if value is None or value is True:
        return flag
    return f"{flag} {as_word(value) if isinstance(value, list) else value}"


def as_word(names: list[str]) -> str:
    """Returns names as one word of a command line, as the parser reads it back."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(names)
    return shlex.quote(line.getvalue())
