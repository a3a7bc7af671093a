"""Seeds that a model draws itself, part of what it saves."""

import random
from typing import Any

import keras
import numpy as np
import tensorflow as tf

__all__ = ["SeedSequence"]


@keras.saving.register_keras_serializable(package="tfp_flows")
class SeedSequence(keras.layers.Layer):
    """Stateless seeds of shape [2], a new one at every call of `next`.

    The state is a weight: a model that was saved and loaded goes on with the seeds it
    would have drawn, which Keras' own generator does not (its state is not saved).
    Under a distribution strategy each replica gets seeds of its own.

    The first state is drawn from Python's generator, which
    `keras.utils.set_random_seed` seeds.
    """

    def __init__(self, name: str = "seeds") -> None:
        super().__init__(name=name)
        self.state = self.add_weight(
            shape=(2,),
            dtype="int64",
            initializer="zeros",
            trainable=False,
            # Every replica advances it by one; so the first one's value is that of all.
            aggregation="only_first_replica",
            name="state",
        )
        self.state.assign([random.randrange(2**31), 0])
        self.built = True

    def stateless(self, seed: Any = None) -> tf.Tensor:
        """Returns a stateless seed of shape [2] for one that a user gave.

        Args:
            seed: a whole number, a stateless seed, or None for the next of the model.

        Raises:
            ValueError: another shape.
        """
        if seed is None:
            return self.next()
        if not tf.is_tensor(seed):
            seed = np.asarray(seed)
        if (
            tuple(seed.shape) not in ((), (2,))
            or not tf.as_dtype(seed.dtype).is_integer
        ):
            raise ValueError(
                "seed must be a whole number or a stateless seed of shape [2], "
                f"received {seed!r} of shape {tuple(seed.shape)}."
            )
        if tuple(seed.shape) == ():
            # All 64 bits: the low ones last, so that a small number s is [0, s].
            return tf.bitcast(tf.cast(seed, tf.int64), tf.int32)[::-1]
        return tf.cast(seed, tf.int32)

    def next(self) -> tf.Tensor:
        """Returns a seed, int32 of shape [2], and advances the state."""
        seed = tf.cast(tf.identity(self.state.value), tf.int32)
        # A tensor: a strategy hands the value on to every replica as it is.
        self.state.value.assign_add(tf.constant([0, 1], tf.int64))
        context = tf.distribute.get_replica_context()
        replica = 0 if context is None else context.replica_id_in_sync_group
        return tf.random.fold_in(seed, replica)
