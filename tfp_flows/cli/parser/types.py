"""What a word of the command line may be: numbers, names and bounds."""

import argparse
import csv
import math
from collections.abc import Callable

__all__ = [
    "bounds",
    "integer",
    "names",
    "number_or_auto",
    "one_name",
    "parse_bound",
    "real",
]


def integer(least: int) -> Callable[[str], int]:
    """Returns a parser of integers from `least` to 2³¹ − 1."""

    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if not least <= number < 2**31:
            raise argparse.ArgumentTypeError(
                f"expected an integer from {least} to 2147483647, received {text!r}"
            )
        return number

    return parse


def number_or_auto(text: str) -> int | str:
    """Parses a positive integer or "auto"."""
    if text == "auto":
        return text
    try:
        return integer(1)(text)
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(f'{error}; or "auto"') from None


def real(accept: Callable[[float], bool], what: str) -> Callable[[str], float]:
    """Returns a parser of the finite numbers that are accepted."""

    def parse(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not (math.isfinite(number) and accept(number)):
            raise argparse.ArgumentTypeError(f"expected {what}, received {text!r}")
        return number

    return parse


def names(text: str) -> tuple[str, ...]:
    """Names separated by commas; one with a comma stands in double quotes."""
    fields = next(csv.reader([text], skipinitialspace=True), [])
    names = tuple(name.strip() for name in fields if name.strip())
    if not names:
        raise argparse.ArgumentTypeError(
            f"expected column names separated by commas, received {text!r}"
        )
    return names


def one_name(text: str) -> str:
    """Parses the name of a column; double quotes around it are taken off."""
    return names(text)[0] if text.startswith('"') else text.strip()


def bounds(text: str) -> tuple[str, ...]:
    """Parses ranges of columns, `NAME=LOW:HIGH`, separated by commas."""
    fields = names(text)
    for field in fields:
        try:
            parse_bound(field)
        except ValueError:
            raise argparse.ArgumentTypeError(
                "expected NAME=LOW:HIGH with LOW below HIGH, of which one may be left "
                f"out, received {field!r}"
            ) from None
    return fields


def parse_bound(text: str) -> tuple[str, float | None, float | None]:
    """Returns name, low and high of `NAME=LOW:HIGH`; None for an end left out.

    Raises:
        ValueError: it is no such text.
    """
    name, _, ends = text.rpartition("=")
    low, high = (float(end) if end.strip() else None for end in ends.split(":"))
    given = [end for end in (low, high) if end is not None]
    if not (name and given and all(map(math.isfinite, given))) or given != sorted(
        set(given)
    ):
        raise ValueError(f"no bounds: {text!r}")
    return name.strip(), low, high
