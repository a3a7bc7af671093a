"""A stream of training batches that does not depend on when a run was interrupted."""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from tfp_flows.cli.rows import event_arrays
from tfp_flows.cli.training.task import Task
from tfp_flows.data import files_of, stream_rows
from tfp_flows.models import DensityModel
from tfp_flows.models.array_batches import array_batches, untuned
from tfp_flows.screening import finite_rows, row_keys

__all__ = ["batches_of", "training_batches", "validation_batches"]

# Rows read at once, of how many files in turns, and numbers that are shuffled at once.
_BLOCK, _FILES, _SHUFFLED = 16_384, 4, 2**24


def batches_of(
    task: Task, model: DensityModel, *, first_epoch: int = 0
) -> tuple[tf.data.Dataset, int]:
    """As `training_batches`, of the rows that a run trains on.

    Those that are not in memory are read anew in each epoch: blocks of some files in
    turns, the files in an order drawn from (seed, epoch), shuffled with as many others
    as are held at once. Held-out rows, and rows that are equal to one, are left out.
    """
    if task.table.drawn_from is None:
        return training_batches(
            *event_arrays(model, task.train.values, task.train.context),
            task.train.relative_weight,
            batch_size=task.batch_size,
            seed=task.options.seed,
            first_epoch=first_epoch,
        )
    size, steps = task.batch_size, task.num_training_rows // task.batch_size
    parts = task.validation, task.test
    held_out = np.unique(
        np.concatenate([row_keys(*part.rows().blocks) for part in parts])
    )

    def batches() -> Iterator[tuple]:
        for epoch in itertools.count(first_epoch):
            rng = np.random.default_rng([task.options.seed, epoch])
            # Where copies are left out the files hold less than an epoch: read on.
            passes = (_read(task, held_out, rng) for _ in itertools.count())
            rows = _batched(itertools.chain.from_iterable(passes), size)
            for values, context in itertools.islice(rows, steps):
                x, given = event_arrays(model, values, context)
                yield _element(x if given is None else (x, given))

    event, dtype = model.distribution.event_shape, model.distribution.dtype
    spec: Any = tf.TensorSpec([size, *event], dtype)
    if task.table.context_columns:
        given = tf.TensorSpec([size, len(task.table.context_columns)], dtype)
        spec = (spec, given)
    found = tf.data.Dataset.from_generator(batches, output_signature=(spec,))
    return untuned(found.prefetch(4)), steps


_Rows = tuple[np.ndarray, np.ndarray | None]


def _read(task: Task, held_out: np.ndarray, rng: np.random.Generator) -> Iterator:
    """Yields the training rows of all files once, some thousands at a time, mixed."""
    most = max(task.batch_size, _SHUFFLED // len(task.schema.names))
    pool: list[_Rows] = []
    for values, context in _blocks(task, rng):
        keys = row_keys(values, context)
        place = np.searchsorted(held_out, keys).clip(max=len(held_out) - 1)
        kept = finite_rows(values) & (held_out[place] != keys)
        if context is not None:
            kept &= finite_rows(context)
        pool.append((values[kept], None if context is None else context[kept]))
        if sum(len(rows) for rows, _ in pool) >= most:
            yield _mixed(pool, rng)
            pool = []
    if pool:
        yield _mixed(pool, rng)


def _blocks(task: Task, rng: np.random.Generator) -> Iterator[_Rows]:
    files = rng.permutation(np.array(files_of(task.options.data), object))
    waiting = [stream_rows(file, task.schema, _BLOCK) for file in files]
    while waiting:
        for reader in waiting[:_FILES]:
            block = next(reader, None)
            if block is None:
                waiting.remove(reader)
            else:
                yield block


def _mixed(pool: list[_Rows], rng: np.random.Generator) -> _Rows:
    values, context = zip(*pool, strict=True)
    order = rng.permutation(sum(map(len, values)))
    given = None if context[0] is None else np.concatenate(context)[order]
    return np.concatenate(values)[order], given


def _batched(pools: Iterator[_Rows], size: int) -> Iterator[_Rows]:
    """Yields `size` rows at a time; what a pool leaves goes into the next batch."""
    left: list[_Rows] = []
    for values, context in pools:
        if left:
            first, given = left.pop()
            values = np.concatenate([first, values])
            context = None if given is None else np.concatenate([given, context])
        whole = len(values) // size * size
        for start in range(0, whole, size):
            rows = slice(start, start + size)
            yield values[rows], None if context is None else context[rows]
        left = [(values[whole:], None if context is None else context[whole:])]


def training_batches(
    x: np.ndarray,
    context: np.ndarray | None,
    weight: np.ndarray | None = None,
    *,
    batch_size: int,
    seed: int,
    first_epoch: int = 0,
) -> tuple[tf.data.Dataset, int]:
    """Returns endless batches of shuffled rows, and the number of batches an epoch.

    Epoch e visits the rows in a permutation drawn from (seed, e) alone, so that a run
    resumed at epoch e sees what an uninterrupted run sees. The rows that do not fill a
    batch are left out of an epoch, others in each.

    Args:
        x: [N, event...].
        context: [N, C], or None.
        weight: [N], or None.
        batch_size: rows of a batch; at most N.
        seed: of all permutations.
        first_epoch: epoch of the first batch.

    Returns:
        A dataset of `(x,)` or `((x, context),)`, with weights `(…, None, weight)`, and
        the steps of an epoch.
    """
    steps = len(x) // batch_size
    rows = _elements(x, context, weight)

    def epoch_batches(epoch: tf.Tensor) -> tf.data.Dataset:
        order = tf.random.experimental.stateless_shuffle(
            tf.range(len(x)), seed=tf.stack([tf.constant(seed, tf.int64), epoch])
        )
        order = tf.reshape(order[: steps * batch_size], [steps, batch_size])
        return tf.data.Dataset.from_tensor_slices(order)

    def gather(indices: tf.Tensor) -> tuple:
        return _element(*(tf.nest.map_structure(lambda p: tf.gather(p, indices), rows)))

    epochs = tf.data.Dataset.range(first_epoch, 2**31)
    batches = epochs.flat_map(epoch_batches).map(gather)
    return untuned(batches.prefetch(2)), steps


def validation_batches(
    x: np.ndarray,
    context: np.ndarray | None,
    weight: np.ndarray | None = None,
    *,
    batch_size: int,
) -> tf.data.Dataset:
    """Returns all rows in order, in elements like those of `training_batches`."""
    return array_batches(_elements(x, context, weight), batch_size).map(_element)


def _elements(
    x: np.ndarray, context: np.ndarray | None, weight: np.ndarray | None
) -> tuple:
    inputs = tf.constant(x)
    if context is not None:
        inputs = (inputs, tf.constant(context))
    return (inputs,) if weight is None else (inputs, tf.constant(weight))


def _element(inputs: Any, *weight: tf.Tensor) -> tuple:
    # The place of a target, which a density has not.
    return (inputs, None, *weight) if weight else (inputs,)
