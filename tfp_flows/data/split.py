"""Splitting rows into a part to train on, one to stop on and one to report on."""

import dataclasses
from typing import Literal

import numpy as np

from tfp_flows.data.errors import Argument, DataError

__all__ = ["Split", "split_rows"]


@dataclasses.dataclass(frozen=True)
class Split:
    """Row indices of the three disjoint parts."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def split_rows(
    num_rows: int,
    validation: float = 0.1,
    test: float = 0.1,
    *,
    how: Literal["random", "tail"] = "random",
    seed: int = 0,
    partition: np.ndarray | None = None,
    keys: np.ndarray | None = None,
) -> Split:
    """Splits `num_rows` rows into train, validation and test parts.

    Args:
        num_rows: N.
        validation: fraction of rows to stop training on, in (0, 1).
        test: fraction of rows held out for the report, in (0, 1).
        how: `random`, or `tail` for time series: train on the first rows, validate
            on the next, test on the last.
        seed: of the random split.
        partition: [N] of 0, 1, 2 where the set fixes its own split; the fractions,
            `how` and `seed` are then not used.
        keys: [N], of `screening.row_keys`: rows with one key are copies, and stay in
            the part of the first of them; None: all rows differ.

    Raises:
        DataError: a fraction is out of range or a part would be empty.

    Example:
        >>> split = split_rows(10, 0.2, 0.3, how="tail")
        >>> split.validation, split.test
        (array([5, 6]), array([7, 8, 9]))
    """
    if partition is not None:
        split = Split(*(np.flatnonzero(partition == part) for part in range(3)))
    else:
        split = _by_fractions(num_rows, validation, test, how, seed, keys)
    for field in dataclasses.fields(split):
        if not len(getattr(split, field.name)):
            raise DataError(
                f"the {field.name} part of {num_rows} rows is empty: give more rows, "
                "or larger fractions with ",
                Argument("validation"),
                " and ",
                Argument("test"),
            )
    return split


def _by_fractions(
    num_rows: int,
    validation: float,
    test: float,
    how: str,
    seed: int,
    keys: np.ndarray | None,
) -> Split:
    parts = Argument("validation", validation), Argument("test", test)
    for part, fraction in zip(parts, (validation, test), strict=True):
        if not 0.0 < fraction < 1.0:
            raise DataError(part, ": expected a fraction between 0 and 1")
    if validation + test >= 1.0:
        raise DataError(
            parts[0],
            " and ",
            parts[1],
            " leave no rows to train on: their sum must be below 1",
        )
    if how not in ("random", "tail"):
        raise DataError(Argument("how", how), ": expected random or tail")
    order = np.arange(num_rows)
    if how == "random":
        order = np.random.default_rng(seed).permutation(num_rows)
    num_test = round(test * num_rows)
    cuts = [num_rows - num_test - round(validation * num_rows), num_rows - num_test]
    if keys is not None:
        order, cuts = _beside_copies(order, cuts, keys)
    return Split(*np.split(order, cuts))


def _beside_copies(
    order: np.ndarray, cuts: list[int], keys: np.ndarray
) -> tuple[np.ndarray, list[int]]:
    """Moves copies up to the first of them, and cuts to the nearest end of a set."""
    _, first, copy_of = np.unique(keys[order], return_index=True, return_inverse=True)
    place = first[copy_of]
    moved = np.argsort(place, kind="stable")
    # Where a row of its own begins, in the new order.
    starts = np.append(np.flatnonzero(np.diff(place[moved], prepend=-1)), len(order))
    nearest = [int(starts[np.abs(starts - cut).argmin()]) for cut in cuts]
    return order[moved], nearest
