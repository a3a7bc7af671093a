"""How much each row of a table counts."""

import numpy as np

from tfp_flows.data.errors import Argument, DataError
from tfp_flows.data.table import Table

__all__ = ["check_weight"]


def check_weight(table: Table, name: str) -> None:
    """Raises unless the weights of a table are numbers ≥ 0, not all of them zero.

    Args:
        table: with weights.
        name: of their column.
    """
    weight = np.zeros(0) if table.weight is None else table.weight
    if not np.isfinite(weight).all():
        raise DataError(
            f"{table.name}: {np.sum(~np.isfinite(weight)):,} weights in column "
            f"{name!r} are NaN or infinite, first in row "
            f"{int(np.argmin(np.isfinite(weight))) + 1}: leave such rows out with ",
            Argument("drop_invalid", True),
        )
    if (weight < 0).any():
        row = int(np.argmax(weight < 0))
        raise DataError(
            f"{table.name}: expected weights of at least 0, received {weight[row]:g} "
            f"in row {table.row_number(row)}, column {name!r}: mend it"
        )
    if not weight.any():
        raise DataError(
            f"{table.name}: every weight in column {name!r} is 0: leave out ",
            Argument("weights"),
        )
