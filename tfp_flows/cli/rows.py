"""Tables to models and back: rows scored and drawn, a bounded number at a time."""

from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfp_flows.cli.parts import as_events, in_parts
from tfp_flows.data import Schema
from tfp_flows.distributions.structure import noise_points
from tfp_flows.models import DensityModel

__all__ = [
    "draw_forecasts",
    "draw_rows",
    "event_arrays",
    "log_density_function",
    "rows_at_a_time",
]

_NUMBERS_AT_A_TIME = 400_000


def rows_at_a_time(distribution: tfd.Distribution) -> int:
    """Returns how many rows to evaluate at once, from 16 to 8192."""
    shape = distribution.event_shape
    numbers = noise_points(distribution) * shape.num_elements()
    if shape.rank == 2:
        # Particles: each acts on each other.
        numbers *= shape[0]
    return int(np.clip(_NUMBERS_AT_A_TIME // numbers, 16, 8192))


def event_arrays(
    model: DensityModel, values: np.ndarray, context: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Returns rows in the model's event shape, and their context, in its dtype.

    Numbers beyond the dtype become infinities.

    Args:
        model: the model.
        values: [N, D].
        context: [N, C], or None.

    Returns:
        [N, event...], and [N, C] or None.
    """
    distribution = model.distribution
    return as_events(
        values,
        context,
        distribution.event_shape.as_list(),
        distribution.dtype.as_numpy_dtype,
    )


def log_density_function(
    model: DensityModel,
) -> Callable[[np.ndarray, np.ndarray | None], np.ndarray]:
    """Returns a function of values [N, D] and context [N, C] to nats [N].

    A row so far out that its log-density is no finite number has minus infinity.
    """
    distribution = model.distribution
    return in_parts(
        tf.function(model.log_prob, reduce_retracing=True),
        distribution.event_shape.as_list(),
        distribution.dtype.as_numpy_dtype,
        rows_at_a_time(distribution),
    )


def draw_forecasts(
    model: DensityModel, context: np.ndarray, draws: int, *, seed: int
) -> Iterator[np.ndarray]:
    """Yields draws for rows of a context [N, C], a few at a time, [draws, n, D].

    Args:
        model: the model.
        context: [N, C].
        draws: number for each row.
        seed: a number of 32 bits.
    """
    size = max(1, rows_at_a_time(model.distribution) // draws)
    given = context.astype(model.distribution.dtype.as_numpy_dtype)
    for start in range(0, len(given), size):
        block = model.sample(draws, given[start : start + size], seed=(seed, start))
        yield np.reshape(block, [*block.shape[:2], -1])


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
        model: the model.
        schema: what a row holds; drawn gray levels are cut to the image's.
        num_rows: number of rows in all.
        seed: a number of 32 bits.
        context: [M, C]; row i is drawn given row i modulo M.

    Yields:
        Values [n, D] and the context [n, C] that they were drawn for.
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
