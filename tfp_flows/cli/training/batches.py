"""A stream of training batches that does not depend on when a run was interrupted."""

import contextlib
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from tfp_flows.cli.rows import event_arrays
from tfp_flows.cli.training.task import Task
from tfp_flows.models import DensityModel
from tfp_flows.models.array_batches import array_batches, untuned

__all__ = ["batches_of", "in_own_words", "training_batches", "validation_batches"]


def batches_of(
    task: Task, model: DensityModel, *, first_epoch: int = 0
) -> tuple[tf.data.Dataset, int]:
    """As `training_batches`, of the rows that a run trains on, in memory or not."""
    size, seed, streamed = task.batch_size, task.options.seed, task.streamed
    if streamed is None:
        return training_batches(
            *event_arrays(model, task.train.values, task.train.context),
            task.train.relative_weight,
            batch_size=size,
            seed=seed,
            first_epoch=first_epoch,
        )
    steps, width = task.num_training_rows // size, len(task.schema.columns)
    is_conditional = bool(task.schema.context_columns)

    def batches() -> Iterator[tuple]:
        for epoch in itertools.count(first_epoch):
            rows = streamed.batches(size, np.random.default_rng([seed, epoch]))
            for some in itertools.islice(rows, steps):
                context = some[:, width:] if is_conditional else None
                x, given = event_arrays(model, some[:, :width], context)
                yield _element((x, given) if is_conditional else x)

    event, dtype = model.distribution.event_shape, model.distribution.dtype
    spec: Any = tf.TensorSpec([size, *event], dtype)
    if is_conditional:
        given = tf.TensorSpec([size, len(task.schema.context_columns)], dtype)
        spec = (spec, given)
    found = tf.data.Dataset.from_generator(batches, output_signature=(spec,))
    return untuned(found.prefetch(4)), steps


@contextlib.contextmanager
def in_own_words(task: Task) -> Iterator[None]:
    """Raises what reading said, and not what TensorFlow makes of it."""
    try:
        yield
    except tf.errors.OpError:
        if task.streamed is not None and task.streamed.failure is not None:
            raise task.streamed.failure from None
        raise


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
