"""`tfp-flows data`: the built-in data sets."""

import argparse

from tfp_flows import data

__all__ = ["run"]


def run(namespace: argparse.Namespace) -> None:
    """Prints a line for each built-in data set."""
    del namespace  # There is nothing to choose.
    for name, (description, _) in data.BUILT_IN.items():
        print(f"{name:<16}{description}")
