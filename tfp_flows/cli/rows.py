"""Tables to models and back: rows scored and drawn, a bounded number at a time."""

from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfp_flows.data import Schema, Table
from tfp_flows.distributions import BoostedMixture, Dequantized
from tfp_flows.models import DensityModel

__all__ = [
    "dequantized_part",
    "draw_rows",
    "event_arrays",
    "event_rows",
    "log_density_function",
    "rows_at_a_time",
]

_NUMBERS_AT_A_TIME = 400_000


def dequantized_part(distribution: tfd.Distribution) -> Dequantized | None:
    """Returns what makes whole numbers of the rows: all components do alike."""
    if isinstance(distribution, BoostedMixture):
        return dequantized_part(distribution.components[0])
    return distribution if isinstance(distribution, Dequantized) else None


def rows_at_a_time(distribution: tfd.Distribution) -> int:
    """Returns how many rows to evaluate at once, from 16 to 8192."""
    # Noise points are evaluated together.
    dequantized = dequantized_part(distribution)
    points = 1 if dequantized is None else dequantized.parameters["num_samples"]
    numbers = points * distribution.event_shape.num_elements()
    return int(np.clip(_NUMBERS_AT_A_TIME // numbers, 16, 8192))


def event_rows(model: DensityModel, values: np.ndarray) -> np.ndarray:
    """Returns `[N, D]` rows in the model's dtype and event shape, `[N, event...]`.

    Numbers beyond the dtype become infinities.
    """
    distribution = model.distribution
    shape = [len(values), *distribution.event_shape.as_list()]
    with np.errstate(over="ignore"):
        return values.astype(distribution.dtype.as_numpy_dtype).reshape(shape)


def event_arrays(
    model: DensityModel, table: Table
) -> tuple[np.ndarray, np.ndarray | None]:
    """Returns a table's rows as `event_rows`, and its context in the same dtype."""
    x = event_rows(model, table.values)
    context = table.context
    return x, None if context is None else context.astype(x.dtype)


def log_density_function(
    model: DensityModel,
) -> Callable[[np.ndarray, np.ndarray | None], np.ndarray]:
    """Returns a function of `[N, D]` values and `[N, C]` context to `[N]` nats.

    A row so far out that its log-density is no finite number has minus infinity.
    """
    compiled = tf.function(model.log_prob, reduce_retracing=True)

    def log_density(values: np.ndarray, context: np.ndarray | None) -> np.ndarray:
        size = rows_at_a_time(model.distribution)
        x = event_rows(model, values)
        if context is not None:
            with np.errstate(over="ignore"):
                context = context.astype(x.dtype)
        parts = [
            compiled(
                tf.constant(x[start : start + size]),
                None if context is None else tf.constant(context[start : start + size]),
            ).numpy()
            for start in range(0, len(x), size)
        ]
        scores = np.concatenate(parts).astype("float64")
        return np.where(np.isfinite(scores), scores, -np.inf)

    return log_density


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
