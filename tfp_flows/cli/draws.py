"""Drawing many rows, a bounded number at a time."""

from collections.abc import Iterator

import numpy as np

from tfp_flows.cli.density import rows_at_a_time
from tfp_flows.data import Schema
from tfp_flows.models.density_model import DensityModel

__all__ = ["draw_rows"]


def draw_rows(
    model: DensityModel,
    schema: Schema,
    num_rows: int,
    *,
    seed: int,
    context: np.ndarray | None = None,
) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """Yields blocks of drawn rows; the same seed gives the same rows.

    Args:
        model: The model.
        schema: What a row holds. Drawn gray levels are cut to the image's.
        num_rows: Number of rows in all.
        seed: A number of 32 bits.
        context: `[M, C]`; row i is drawn given row i modulo M.

    Yields:
        `[n, D]` values and the `[n, C]` context they were drawn for.
    """
    size = rows_at_a_time(model.distribution)
    for block, start in enumerate(range(0, num_rows, size)):
        count = min(size, num_rows - start)
        given = None
        if context is None:
            rows = model.sample(count, seed=(seed, block))
        else:
            given = context[np.arange(start, start + count) % len(context)]
            dtype = model.distribution.dtype.as_numpy_dtype
            rows = model.sample(1, given.astype(dtype), seed=(seed, block))[0]
        values = np.reshape(rows, [count, -1])
        if schema.levels is not None:
            values = values.clip(0, schema.levels - 1)
        yield values, given
