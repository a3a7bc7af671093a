"""What ends a command early, and with which exit code."""

import csv
import io
import shlex

__all__ = ["RunError", "RunInterrupted", "as_word", "in_flags"]

# Arguments of `tfp_flows.data` whose flag has another name.
_FLAGS = {"how": "split"}


class RunError(Exception):
    """A command that cannot go on; the message is one line that names the remedy."""


class RunInterrupted(Exception):
    """A user's Ctrl-C; the message tells how to go on."""


def in_flags(argument: str, value: object) -> str:
    """Returns an argument of `tfp_flows.data` as a user of the command types it."""
    flag = f"--{_FLAGS.get(argument, argument).replace('_', '-')}"
    if value is None or value is True:
        return flag
    return f"{flag} {as_word(value) if isinstance(value, list) else value}"


def as_word(names: list[str]) -> str:
    """Returns names as one word of a command line, as the parser reads it back."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(names)
    return shlex.quote(line.getvalue())
