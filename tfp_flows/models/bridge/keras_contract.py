"""What Keras offers for any model, and a density has not."""

import functools
import inspect
import pathlib
import warnings
from collections.abc import Iterable
from typing import Any

import keras
import tensorflow as tf

from tfp_flows.models.array_batches import array_batches, drawn_seed
from tfp_flows.models.bridge import inputs
from tfp_flows.ops.graphs import release_graphs

__all__ = ["KerasContract", "warn_of_policy"]


class KerasContract(keras.Model):
    """Says in one sentence where a door of Keras leads nowhere.

    Raises:
        NotImplementedError: `quantize`.
        ValueError: a file that is not ``.keras``; metrics of predictions.
    """

    def save(self, filepath: Any, *args: Any, **kwargs: Any) -> None:
        """As in Keras, to a ``.keras`` file."""
        if pathlib.Path(filepath).suffix in (".h5", ".hdf5"):
            raise ValueError(
                f"HDF5 does not hold a distribution: save to {str(filepath)!r} with "
                'the ending ".keras", or save_weights to ".weights.h5".'
            )
        super().save(filepath, *args, **kwargs)

    def fit(self, *args: Any, **kwargs: Any) -> keras.callbacks.History:
        """As in Keras; graphs that were traced for it go when the model goes."""
        in_batches = functools.partial(
            _batch_for_fit, steps_at_once=self.steps_per_execution
        )
        options = self._in_batches(super().fit, args, kwargs, in_batches)
        try:
            return super().fit(**options)
        finally:
            release_graphs()

    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        """As in Keras, of arrays as they are."""
        door = super().evaluate
        return door(**self._in_batches(door, args, kwargs, _batch))

    def predict(self, *args: Any, **kwargs: Any) -> Any:
        """As in Keras, of arrays as they are."""
        door = super().predict
        return door(**self._in_batches(door, args, kwargs, _batch))

    def _in_batches(
        self, door: Any, args: tuple, kwargs: dict[str, Any], batch: Any
    ) -> dict[str, Any]:
        """Arguments of a call by name, arrays among them as data sets."""
        given = inspect.signature(door).bind(*args, **kwargs).arguments
        options = {**given.pop("kwargs", {}), **given}
        if self.distribute_strategy.num_replicas_in_sync == 1:
            batch(options)
        return options

    def quantize(self, *args: Any, **kwargs: Any) -> None:
        """Refuses: rounded weights give another density, which no file would hold."""
        raise NotImplementedError(
            f"{type(self).__name__} is not quantized: a density of rounded weights is "
            "another density, and its file would not load."
        )

    def _check_compiled(self) -> None:
        """Refuses what `compile` was given and a density has not."""
        if self._compile_loss is not None:
            raise ValueError(
                f"{type(self).__name__} minimizes its own objective: call "
                "compile(optimizer) without a loss."
            )
        if self._compile_metrics is not None:
            raise ValueError(
                f"{type(self).__name__} has no predictions to compare with targets: "
                "call compile(optimizer) without metrics. Terms of an objective are "
                "shown as metrics."
            )


def _batch_for_fit(options: dict[str, Any], steps_at_once: int) -> None:
    """As `_batch`, rows in a new order each epoch, and those of validation too."""
    shuffled = options.get("shuffle", True)
    left_to_keras = ("validation_split", "class_weight", "steps_per_epoch")
    if any(map(options.get, left_to_keras)) or not isinstance(shuffled, bool):
        return
    size, held = options.get("batch_size") or 32, options.get("validation_data")
    is_whole = not options.get("validation_steps")
    if isinstance(held, tuple) and inputs.is_element(held) and is_whole:
        held_size = options.pop("validation_batch_size", None) or size
        options["validation_data"] = array_batches(inputs.as_element(*held), held_size)
    if _batch(options, shuffled=shuffled, steps_at_once=steps_at_once):
        # Not the order of batches: rows are shuffled.
        options["shuffle"] = False


def _batch(
    options: dict[str, Any], *, shuffled: bool = False, steps_at_once: int = 0
) -> bool:
    """Batches arrays where Keras would, in data sets whose iterators end at once.

    Those of a training, some steps at once, have one iterator for all epochs.
    """
    are_arrays = inputs.is_element((options.get("x"), options.get("y")))
    if not are_arrays or options.get("steps"):
        return False
    names = ("x", "y", "sample_weight")
    element = inputs.as_element(*(options.pop(name, None) for name in names))
    seed = drawn_seed() if shuffled else None
    size = options.get("batch_size") or 32
    steps = -(-len(tf.nest.flatten(element)[0]) // size)
    # Or a last execution would go on into the next epoch.
    endless = steps_at_once > 0 and steps % steps_at_once == 0
    if endless:
        options["steps_per_epoch"] = steps
    batches = array_batches(element, size, seed=seed, endless=endless)
    options.update(x=batches, batch_size=None)
    return True


def warn_of_policy(layers: Iterable[keras.layers.Layer]) -> None:
    """Says where a policy of less precision does not reach a density.

    Args:
        layers: of Keras, inside its distribution.
    """
    policy = keras.config.dtype_policy()
    mixed = policy.compute_dtype != policy.variable_dtype
    if mixed and all(layer.dtype_policy != policy for layer in layers):
        warnings.warn(
            f"The policy {policy.name} does not reach a density: it is computed in the "
            "dtype of its distribution, and so are the networks of tfp_flows, but for "
            "those of couplings and autoregressive maps with mixed_bfloat16. Cast the "
            "output of a network of your own to that dtype.",
            stacklevel=4,
        )
