"""What a flow model accepts as data, brought to one form and checked."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from tfp_flows.screening import check_unmasked

__all__ = [
    "as_arrays",
    "as_element",
    "check_count",
    "check_rereadable",
    "check_weight",
    "column_names",
    "is_array",
    "is_element",
    "pack",
    "pack_validation",
    "some_rows",
    "target_for",
]


def pack(x: Any, y: Any, context_size: int | None) -> Any:
    """Returns the inputs Keras passes to `call`: x, or (x, context).

    A conditional model takes its context as ``(x, context)``, or in the place where
    Keras expects a target: ``fit(x, context)``, or a `tf.data.Dataset` of
    ``(x, context)`` or ``(x, context, sample_weight)``.

    Raises:
        ValueError: a conditional model got no context, or another model got one.
    """
    x, y = as_arrays(x), as_arrays(y, "context")
    if isinstance(x, tf.data.Dataset):
        return _pack_dataset(x, context_size)
    if context_size is None:
        if y is not None or isinstance(x, tuple | list):
            raise ValueError(
                "This model has no context: pass x alone. Received "
                f"{'a second argument' if y is not None else 'a tuple'}. To condition, "
                "build its distribution with context_size=C."
            )
        return x
    if y is not None:
        return (x, y)
    if isinstance(x, tuple | list) and len(x) == 2:
        return tuple(x)
    # Generators and Keras' own data sets deliver tuples of their own.
    if isinstance(x, np.ndarray) or tf.is_tensor(x):
        raise ValueError(
            f"This model conditions on {context_size} features: pass (x, context) "
            f"with context of shape [N, {context_size}]."
        )
    return x


def column_names(x: Any, y: Any) -> tuple[Any, Any]:
    """Returns the names of the columns of x and of the context; None where unnamed."""
    if isinstance(x, tuple | list) and y is None and len(x) == 2:
        x, y = x
    return getattr(x, "columns", None), getattr(y, "columns", None)


def as_arrays(data: Any, what: str = "x") -> Any:
    """Returns data frames and lists of numbers as arrays; anything else as it is.

    Raises:
        ValueError: masked entries, or a list whose rows differ in length.
    """
    if isinstance(data, list) and not any(map(_is_part, data)):
        try:
            return np.asarray(data)
        except ValueError as error:
            raise ValueError(
                f"{what} is a list that is no table: its rows differ in length. Pass "
                "an array."
            ) from error
    if isinstance(data, tuple | list):
        names = ("x", "context", "sample_weight")
        return type(data)(map(as_arrays, data, names))
    check_unmasked(data, what)
    if isinstance(data, np.ma.MaskedArray):
        return data.data
    return data.to_numpy() if hasattr(data, "to_numpy") else data


def _is_part(data: Any) -> bool:
    """Whether this is all of x or all of a context, and no row of numbers."""
    return hasattr(data, "shape") and len(data.shape) > 1 or data is None


def _pack_dataset(data: tf.data.Dataset, context_size: int | None) -> tf.data.Dataset:
    spec = data.element_spec
    if not isinstance(spec, tuple):
        return data
    if context_size is None:
        # The spec of None is a composite without parts; TensorFlow names it since 2.20.
        if len(spec) > 1 and tf.nest.flatten(spec[1], expand_composites=True):
            raise ValueError(
                "This model has no context: its data set has elements x, (x,) or "
                "(x, None, sample_weight); received a second component. To condition, "
                "build the distribution with context_size=C."
            )
        return data
    if isinstance(spec[0], tuple) or len(spec) < 2:
        return data
    return data.map(lambda x, context, *rest: ((x, context), None, *rest))


def pack_validation(
    data: Any, context_size: int | None, packed: Callable[..., Any]
) -> Any:
    """Returns `validation_data` as Keras takes it, in the forms that `fit` takes.

    Args:
        data: a `tf.data.Dataset`; x; or (x,), (x, target, weight) with
            x = (x, context), or (x, context) and (x, context, weight).
        context_size: C of a conditional model, else None.
        packed: checks and packs inputs, as for training.
    """
    if isinstance(data, tf.data.Dataset):
        return packed(data)
    if not isinstance(data, tuple | list):
        return (packed(data), None)
    x, *rest = data
    context = None
    if context_size is None and rest and rest[0] is not None:
        packed(x, rest[0])  # Says that this model has no context.
    if context_size is not None and not isinstance(x, tuple | list) and rest:
        context = rest[0]
    inputs, weights = packed(x, context), rest[1:]
    return (inputs, target_for(inputs, *weights), *weights)


def target_for(inputs: Any, sample_weight: Any = None) -> np.ndarray | None:
    """Returns the target to pass to Keras beside `sample_weight`: zeros, or None.

    Without a target Keras drops the weights of arrays and says nothing.
    """
    if sample_weight is None or isinstance(inputs, tf.data.Dataset):
        return None
    check_weight(sample_weight, inputs)
    return np.zeros(len(tf.nest.flatten(inputs)[0]), "float32")


def check_weight(weight: Any, inputs: Any) -> None:
    """Refuses weights that are not one number ≥ 0 a row, or all zero.

    Raises:
        ValueError: as said, or weights beside a data set.
    """
    if not is_array(inputs):
        raise ValueError(
            "sample_weight is for arrays; a data set has it in its elements, "
            "(x, None, sample_weight)."
        )
    check_unmasked(weight, "sample_weight")
    weight, count = np.asarray(weight), len(tf.nest.flatten(inputs)[0])
    is_right = weight.shape == (count,) and np.all(np.isfinite(weight) & (weight >= 0))
    if not is_right or not weight.any():
        raise ValueError(
            f"sample_weight must be {count} numbers ≥ 0, finite, not all zero, one a "
            f"row; received shape {weight.shape}, lowest "
            f"{weight.min() if weight.size else 'none'}."
        )


def is_array(data: Any) -> bool:
    """Whether data is an array or a tuple of arrays."""
    leaves = data if isinstance(data, tuple) else (data,)
    return all(isinstance(leaf, np.ndarray) or tf.is_tensor(leaf) for leaf in leaves)


def is_element(parts: tuple) -> bool:
    """Whether x, and what else there is of target and weight, are arrays."""
    x, *others = parts
    return is_array(x) and all(part is None or is_array(part) for part in others)


def as_element(x: Any, y: Any = None, weight: Any = None) -> tuple:
    """Returns arrays as the element of a data set; weights as floats."""
    if weight is not None:
        return (x, y, np.asarray(weight, "float32"))
    return (x,) if y is None else (x, y)


def check_count(n: Any) -> None:
    """Refuses a number of samples that is none; that of a tensor is not known."""
    if not tf.is_tensor(n) and (np.ndim(n) or int(n) != n or n < 0):
        raise ValueError(f"n must be a whole number ≥ 0, received {n!r}.")


def check_rereadable(data: Any) -> None:
    """Refuses data of which some rows cannot be read without using them up."""
    if not is_array(data) and not isinstance(data, tf.data.Dataset):
        raise ValueError(
            "Parts of this model (whitening, ActNorm, a mixture base) are set from "
            f"data, which cannot be read ahead from {type(data).__name__}: call "
            "model.adapt(x) with some rows before fit."
        )


def some_rows(inputs: Any, limit: int) -> Any:
    """Returns up to `limit` rows, evenly spaced in arrays, the first of a data set."""
    if not isinstance(inputs, tf.data.Dataset):
        # Spaced: the first rows of a sorted table are like no others.
        return tf.nest.map_structure(
            lambda part: part[:: -(-len(part) // limit) or 1], inputs
        )
    batches, rows = [], 0
    for element in inputs:
        batch = element[0] if isinstance(element, tuple) else element
        batches.append(batch)
        rows += int(tf.shape(tf.nest.flatten(batch)[0])[0])
        if rows >= limit:
            break
    if not batches:
        raise ValueError("The data set is empty.")
    return tf.nest.map_structure(lambda *parts: tf.concat(parts, 0)[:limit], *batches)
