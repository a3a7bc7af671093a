"""What rows are fit to train on, in NumPy, and the words for those that are not."""

from tfp_flows.screening.limits import Words, check_unmasked, finite_rows, not_finite
from tfp_flows.screening.rows import Rows, row_keys, take_distinct
from tfp_flows.screening.screen import (
    discrete_columns,
    num_distinct,
    repeat_by_nature,
    repeated_rows,
    unbounded,
    unreadable,
    unusable,
)
from tfp_flows.screening.words import Argument, DataError, DataWarning, Spell, listing

__all__ = [
    "Argument",
    "DataError",
    "DataWarning",
    "Rows",
    "Spell",
    "Words",
    "check_unmasked",
    "discrete_columns",
    "finite_rows",
    "listing",
    "not_finite",
    "num_distinct",
    "repeat_by_nature",
    "repeated_rows",
    "row_keys",
    "take_distinct",
    "unbounded",
    "unreadable",
    "unusable",
]
