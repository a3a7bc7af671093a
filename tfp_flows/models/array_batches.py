"""Arrays as batches of rows."""

from typing import Any

import numpy as np
import tensorflow as tf

__all__ = ["array_batches", "drawn_seed", "untuned"]


def untuned(batches: tf.data.Dataset) -> tf.data.Dataset:
    """Returns a data set whose iterators end at once.

    That of a tuned one waits for its tuner, which looks up in ever longer intervals:
    Keras makes one an epoch, and stands still for up to as long as the epoch took, a
    minute at most. Whoever has said that it be tuned has it so.
    """
    if batches.options().autotune.enabled is not None:
        return batches
    options = tf.data.Options()
    options.autotune.enabled = False
    return batches.with_options(options)


def array_batches(
    element: Any, batch_size: int, *, seed: int | None = None, endless: bool = False
) -> tf.data.Dataset:
    """Returns the rows of arrays in batches; the last has those that are left.

    Args:
        element: arrays of N rows in a structure, and None.
        batch_size: rows of a batch.
        seed: of a new order in each epoch; None: rows as they come.
        endless: one epoch after another, ⌈N / batch_size⌉ batches each. An iterator
            costs as much as some steps of a small model, and Keras makes two an epoch.
    """
    with tf.device("CPU:0"):  # where data sets read: the rows need not fit a GPU
        rows = tf.nest.map_structure(_tensor, element)
    count = len(next(part for part in tf.nest.flatten(rows) if part is not None))
    steps, left = divmod(count, batch_size)

    def places(draw: tf.Tensor) -> tf.data.Dataset:
        order = tf.range(count)
        if seed is not None:
            pair = tf.stack([tf.constant(seed, tf.int64), draw])
            order = tf.random.experimental.stateless_shuffle(order, seed=pair)
        whole = tf.reshape(order[: count - left], [steps, batch_size])
        found = tf.data.Dataset.from_tensor_slices(whole)
        rest = tf.data.Dataset.from_tensors(order[count - left :])
        return found.concatenate(rest) if left else found

    def gather(index: tf.Tensor) -> Any:
        return tf.nest.map_structure(
            lambda part: None if part is None else tf.gather(part, index), rows
        )

    draws = tf.data.Dataset.random(seed, rerandomize_each_iteration=True)
    draws = draws if endless else draws.take(1)
    batches = draws.flat_map(places).map(gather).prefetch(2)
    number = tf.data.INFINITE_CARDINALITY if endless else steps + (left > 0)
    return untuned(batches.apply(tf.data.experimental.assert_cardinality(number)))


def _tensor(part: Any) -> tf.Tensor | None:
    return None if part is None else tf.convert_to_tensor(part)


def drawn_seed() -> int:
    """Returns a seed that follows that of `keras.utils.set_random_seed`."""
    return int(tf.random.uniform([], maxval=np.iinfo("int32").max, dtype=tf.int32))
