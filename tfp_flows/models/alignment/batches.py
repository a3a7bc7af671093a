"""The rows of several domains in batches, each domain by itself."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tfp_flows.models.alignment.domains import num_rows
from tfp_flows.models.array_batches import untuned
from tfp_flows.models.bridge.inputs import check_weight

__all__ = ["Tables", "checked_weights", "evaluation_batches", "shuffled_batches"]

# Of consecutive shifts by it none falls near an earlier one.
_GOLDEN = 0.6180339887498949


def checked_weights(weights: Any, x: Any) -> dict[str, np.ndarray]:
    """Returns for each weighted domain the cumulative share of its rows, [N].

    Raises:
        ValueError: weights of unknown domains, of a data set, or no numbers ≥ 0.
    """
    if weights is None:
        return {}
    if isinstance(x, tf.data.Dataset) or not set(weights) <= set(x):
        raise ValueError(
            "sample_weight must be a dictionary of weights for domains of x, which are "
            "arrays; a data set repeats rows instead."
        )
    shares = {}
    for name, weight in weights.items():
        check_weight(weight, tf.nest.flatten(x[name])[0])
        total = np.cumsum(np.asarray(weight, "float64"))
        shares[name] = total / total[-1]
    return shares


class Tables(NamedTuple):
    """Checked data of a training.

    Attributes:
        rows: arrays by domain, or tuples of arrays; or a data set of such dictionaries.
        shares: of `checked_weights`.
        pairs: like rows, or None.
    """

    rows: Any
    shares: dict[str, np.ndarray]
    pairs: dict[str, Any] | None = None

    @property
    def weighted(self) -> Any:
        """As many rows of each domain, each as often as its weight says."""
        if not self.shares:
            return self.rows
        drawn = dict(self.rows)
        for name, share in self.shares.items():
            at = (np.arange(len(share)) + 0.5) / len(share)
            places = np.searchsorted(share, at, side="right")
            drawn[name] = tf.nest.map_structure(lambda x, i=places: x[i], drawn[name])
        return drawn

    def evaluation(self, batch_size: int) -> tf.data.Dataset:
        """Rows as they count, in batches, with all pairs in each."""
        return evaluation_batches(self.weighted, batch_size, self.pairs)


def shuffled_batches(
    x: Mapping[str, Any],
    batch_size: int,
    steps: int | None,
    seed: tf.Variable,
    position: tf.Variable,
    *,
    shares: Mapping[str, np.ndarray] | None = None,
    pairs: Mapping[str, Any] | None = None,
) -> tf.data.Dataset:
    """Returns the batches of an epoch: each domain in an order of its own.

    A domain is passed through in a permutation, then in another one, and so on,
    whatever the length of the others. Which rows a step sees follows from its number
    alone, so that a training that was interrupted goes on with the same rows.

    Args:
        x: arrays by domain, or tuples of arrays.
        batch_size: B rows of each domain a step.
        steps: of an epoch; None: as many as the longest domain needs.
        seed: of all permutations its first number, int64 [2].
        position: number of steps before the epoch, int64 [].
        shares: of `checked_weights`; in a pass a row comes as often as its weight says.
        pairs: like x, but in one order for all, up to B a step.

    Returns:
        Elements like x, with pairs (x, pairs).
    """
    x, pairs = (tf.nest.map_structure(tf.constant, dict(y or {})) for y in (x, pairs))
    shares = shares or {}
    steps = steps or -(-max(map(num_rows, x.values())) // batch_size)

    def picked(step: tf.Tensor, rows: Any, index: int, share: Any = None) -> Any:
        count = num_rows(rows)
        size = min(batch_size, count) if index == len(x) else batch_size
        places = step * size + tf.range(size, dtype=tf.int64)
        chosen = _shuffled(places, count, seed, index)
        if share is not None:
            # Another grid in each pass, so that rows of little weight have their turn.
            shift = tf.cast(places // count, tf.float64) * _GOLDEN + 0.5
            at = (tf.cast(chosen, tf.float64) + shift % 1.0) / count
            chosen = tf.searchsorted(share, at, side="right")
        return tf.nest.map_structure(lambda part: tf.gather(part, chosen), rows)

    def gather(step: tf.Tensor) -> Any:
        batch = {
            name: picked(step, rows, index, shares.get(name))
            for index, (name, rows) in enumerate(x.items())
        }
        if not pairs:
            return batch
        return batch, {name: picked(step, rows, len(x)) for name, rows in pairs.items()}

    # Read when an epoch begins, after weights may have been restored.
    start = tf.data.Dataset.from_tensors(0).map(lambda _: position.read_value())
    numbers = start.flat_map(lambda first: tf.data.Dataset.range(first, first + steps))
    batches = numbers.map(gather, num_parallel_calls=tf.data.AUTOTUNE).prefetch(2)
    return untuned(batches.apply(tf.data.experimental.assert_cardinality(steps)))


def _shuffled(
    places: tf.Tensor, count: int, seed: tf.Variable, index: int
) -> tf.Tensor:
    keys = tf.stack(
        [
            tf.broadcast_to(seed.read_value()[0], tf.shape(places)),
            tf.fill(tf.shape(places), tf.constant(index, tf.int64)),
            places // count,
        ],
        axis=-1,
    )
    keys = tf.cast(keys, tf.int32)
    # The public function takes one seed for all places.
    return tf.raw_ops.RandomIndexShuffle(
        index=places % count, seed=keys, max_index=tf.constant(count - 1, tf.int64)
    )


def evaluation_batches(x: Any, batch_size: int, pairs: Any = None) -> tf.data.Dataset:
    """Returns all rows in order, each once: every domain in as many batches.

    With pairs the elements are (x, pairs), all pairs in each.
    """
    if isinstance(x, tf.data.Dataset):
        return x
    lengths = list(map(num_rows, x.values()))
    # No batch without two rows of each domain, which have a distance.
    count = min(-(-max(lengths) // batch_size), min(lengths) // 2)
    tensors = tf.nest.map_structure(tf.constant, x)

    def part(index: tf.Tensor) -> Any:
        batch = tf.nest.map_structure(
            lambda x: x[index * len(x) // count : (index + 1) * len(x) // count],
            tensors,
        )
        return batch if pairs is None else (batch, pairs)

    return untuned(tf.data.Dataset.range(count).map(part))
