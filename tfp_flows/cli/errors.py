"""What ends a command early, and with which exit code."""

__all__ = ["RunError", "RunInterrupted", "in_flags"]

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
    return f"{flag} {','.join(value) if isinstance(value, list) else value}"
