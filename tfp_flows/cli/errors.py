"""What ends a command early, and with which exit code."""

__all__ = ["RunError", "RunInterrupted"]


class RunError(Exception):
    """A command that cannot go on; the message is one line that names the remedy."""


class RunInterrupted(Exception):
    """A user's Ctrl-C; the message tells how to go on."""
