"""The served artifact: a SavedModel with the functions of a model."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from tfp_flows.bijectors import Continuous

__all__ = ["export_endpoints"]

# A whole number or a stateless seed of shape [2], as models take them.
_SEED = tf.TensorSpec(None, tf.int32, name="seed")


def export_endpoints(
    model: keras.Model,
    filepath: str,
    endpoints: dict[str, Any],
    *,
    continuous: Sequence[Continuous] = (),
    verbose: bool = False,
    format: str = "tf_saved_model",
) -> None:
    """Writes functions of a model, name → (function, signature), to a directory.

    With continuous layers nothing has a gradient: theirs walks back along steps that a
    file cannot name. Where a signature has a seed of shape [2], a whole number is taken
    too.

    Raises:
        ValueError: another format than a SavedModel.
    """
    if format != "tf_saved_model":
        raise ValueError(
            'A density is exported as format="tf_saved_model", with a function for '
            f"each of {', '.join(endpoints)}; received {format!r}."
        )
    archive = keras.export.ExportArchive()
    archive.track(model)
    for name, (function, signature) in endpoints.items():
        if continuous:
            function = _without_gradient(function)
        archive.add_endpoint(name, *_with_whole_seeds(function, signature))
    options = None
    if continuous:
        options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    archive.write_out(filepath, options=options, verbose=verbose)


def _without_gradient(function: Callable[..., Any]) -> Callable[..., Any]:
    """For a tape None, in place of TensorFlow's complaint of tensors out of scope."""

    @functools.wraps(function)
    def served(*arguments: Any) -> Any:
        return tf.nest.map_structure(tf.stop_gradient, function(*arguments))

    return served


def _with_whole_seeds(
    function: Callable[..., Any], signature: Sequence[tf.TensorSpec]
) -> tuple[Callable[..., Any], list[tf.TensorSpec]]:
    places = {i for i, spec in enumerate(signature) if spec.name == "seed"}

    @functools.wraps(function)
    def served(*arguments: Any) -> Any:
        numbered = enumerate(arguments)
        return function(*(_stateless(a) if i in places else a for i, a in numbered))

    specs = enumerate(signature)
    return served, [_SEED if i in places else spec for i, spec in specs]


def _stateless(seed: tf.Tensor) -> tf.Tensor:
    """Returns a seed of shape [2], as `SeedSequence.stateless` does in Python."""
    words = tf.reshape(seed, [-1])
    # The upper half of the 64 bits of one number repeats its sign.
    upper = tf.bitwise.right_shift(words[:1], 31)
    words = tf.concat([tf.repeat(upper, 2 - tf.size(words)), words], axis=0)
    return tf.ensure_shape(words, [2])
