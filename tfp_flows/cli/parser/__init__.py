"""The words that `tfp-flows` understands, and their help."""

import argparse
from typing import NoReturn

import tfp_flows
from tfp_flows.cli.parser.commands import add_commands
from tfp_flows.cli.parser.types import parse_bound

__all__ = ["build_parser", "parse_bound"]


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of all commands."""
    parser = _Parser(
        prog="tfp-flows",
        description="Fit a normalizing flow to a table or to small images.",
    )
    parser.add_argument("--version", action="version", version=tfp_flows.__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    add_commands(commands)
    return parser


class _Parser(argparse.ArgumentParser):
    """A parser whose complaint is one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")
