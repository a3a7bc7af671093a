"""What a model may be trained on: `screening`, in the words of Python."""

import contextlib
import re
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from tfp_flows import screening
from tfp_flows.distributions.structure import components, grid_step
from tfp_flows.models.array_batches import untuned
from tfp_flows.models.bridge.adapter import DistributionAdapter

__all__ = [
    "check_arguments",
    "check_rows",
    "check_stream",
    "checked_stream",
    "explained",
    "screen",
]

# Of fewer rows nothing can be said.
_FEWEST_ROWS = 10
_BAD_BATCH = "tfp_flows: bad batch"


def check_arguments(**arguments: Any) -> None:
    """Refuses what Keras' `fit` takes and no density has.

    Raises:
        ValueError: weights of classes, or batches of no rows.
    """
    if arguments.get("class_weight") is not None:
        raise ValueError(
            "class_weight: a density has no classes: use sample_weight, one number a "
            "row."
        )
    size = arguments.get("batch_size")
    if size is not None and (int(size) != size or size < 1):
        raise ValueError(f"batch_size must be a whole number ≥ 1, received {size!r}.")


def check_rows(
    values: Any, shape: tuple[int | None, ...], what: str, dtype: tf.DType
) -> None:
    """Checks an array before training; other kinds of data pass unchecked.

    Raises:
        ValueError: wrong rank or sizes, a dtype that is no number, no rows, or a
            value that is not finite or beyond the range of `dtype`.
    """
    if not isinstance(values, np.ndarray) and not tf.is_tensor(values):
        return
    array = np.asarray(values)
    expected = "[N" + "".join(f", {size}" for size in shape) + "]"
    if array.ndim != len(shape) + 1 or any(
        size is not None and size != found
        for size, found in zip(shape, array.shape[1:], strict=False)
    ):
        raise ValueError(f"{what} must have shape {expected}, received {array.shape}.")
    if array.dtype.kind not in "fiub":
        raise ValueError(
            f"{what} must be numbers convertible to {dtype.name}, received dtype "
            f"{array.dtype}."
        )
    if len(array) == 0:
        raise ValueError(f"{what} has no rows.")
    if array.size and not abs(float(array.max())) + abs(float(array.min())) < 1e30:
        rows = _rows(what, array, dtype=dtype.name)
        _refuse(what, screening.unreadable(rows))


def screen(
    packed: Any,
    names: tuple[Any, Any],
    adapter: DistributionAdapter,
    has_density: bool = True,
) -> None:
    """Refuses arrays that the model's dtype loses; warns of what has no density.

    Columns that the distribution dequantizes may hold whole numbers, and any column of
    one that is known by its draws alone. Of images whole numbers are looked for, of a
    data set nothing: it may not fit into memory.

    Args:
        packed: x, or (x, context), checked.
        names: of the columns of x and of the context, where these have names.
        adapter: the distribution to train.
        has_density: whether it has one.

    Raises:
        ValueError: numbers that the dtype loses.
    """
    x, context, *_ = packed if isinstance(packed, tuple) else (packed, None)
    if not isinstance(x, np.ndarray) and not tf.is_tensor(x):
        return
    x, event = np.asarray(x), len(adapter.event_shape)
    rows = _rows("x", x, context, names, adapter.dtype.name)
    _refuse("x", screening.unusable(rows))
    gridded = _gridded(adapter).reshape(-1)
    if not has_density or len(x) < _FEWEST_ROWS:
        return
    rows = _rows("x", x, context, names, adapter.dtype.name, gridded)
    if event != 1:
        rows = _rows("x", x.reshape(-1, 1), gridded=gridded[:1])
        _warn(screening.discrete_columns(rows), rows)
        return
    _warn(screening.unbounded(rows), rows)
    _warn(screening.discrete_columns(rows), rows)
    _warn(screening.repeated_rows(rows), rows)


def _gridded(adapter: DistributionAdapter) -> np.ndarray:
    """Which features every component dequantizes, [event...]."""
    each = components(adapter.distribution) or (adapter.distribution,)
    return np.logical_and.reduce([grid_step(part) > 0 for part in each])


def _rows(
    what: str,
    values: np.ndarray,
    context: Any = None,
    names: tuple[Any, Any] = (None, None),
    dtype: str = "float32",
    gridded: np.ndarray | None = None,
) -> screening.Rows:
    values = values.reshape(len(values), -1)
    if context is not None:
        context = np.asarray(context)
    return screening.Rows(
        what,
        values,
        _named(names[0], what, values),
        context,
        () if context is None else _named(names[1], "context", context),
        gridded,
        dtype,
    )


def _named(names: Any, what: str, values: np.ndarray) -> tuple[str, ...]:
    if names is not None and len(names) == values.shape[1]:
        return tuple(map(str, names))
    return tuple(f"{what}{index}" for index in range(values.shape[1]))


def _refuse(what: str, found: Iterable[screening.Words]) -> None:
    for words in found:
        error = screening.DataError(f"{what}: ", *words)
        raise screening.DataError(error.spelled(_spell))


def _warn(found: Iterable[screening.Words], rows: screening.Rows) -> None:
    def spell(argument: str, value: Any) -> str:
        if argument != "exclude":
            return _spell(argument, value)
        parts = {"x": rows.columns, "context": rows.context_columns}
        chosen = {
            part: [index for index, name in enumerate(names) if name in value]
            for part, names in parts.items()
        }
        return " and ".join(
            f"numpy.delete({part}, {places}, axis=1)"
            for part, places in chosen.items()
            if places
        )

    for words in found:
        text = screening.DataError(f"{rows.name}: ", *words).spelled(spell)
        # Of whoever calls `fit`, which calls `_screen` and `screen`.
        warnings.warn(text, screening.DataWarning, stacklevel=5)


def _spell(argument: str, value: Any) -> str:
    """What a user of a model has in place of the arguments of `data.check`."""
    if argument == "context":
        return "the context" if value is None else "fit(x, context)"
    return {
        "drop_invalid": "a mask, numpy.isfinite(x).all(axis=1)",
        "integers": "distributions.Dequantized",
    }[argument]


def check_stream(data: tf.data.Dataset, shapes: tuple[tuple, ...]) -> None:
    """Refuses a data set that is not batched, or not of the right shapes.

    Args:
        data: of x, or of elements whose inputs are x or (x, context).
        shapes: of one x, and of one context if there is one.
    """
    inputs = data.element_spec
    if isinstance(inputs, tuple):
        inputs = inputs[0]
    inputs = inputs if isinstance(inputs, tuple) else (inputs,)
    for what, spec, shape in zip(("x", "context"), inputs, shapes, strict=False):
        found = spec.shape
        if found.rank is not None and found.is_compatible_with(shape):
            raise ValueError(
                f"The data set has single rows, {what} of shape {tuple(found)}: batch "
                "it, data.batch(256)."
            )
        if not found.is_compatible_with((None, *shape)):
            raise ValueError(
                f"{what} must have shape {('N', *shape)} in a batch of the data set, "
                f"received {tuple(found)}."
            )


def checked_stream(data: tf.data.Dataset, dtype: tf.DType) -> tf.data.Dataset:
    """Returns a data set that ends with an error at its first bad batch.

    Rows are looked at where they are read, beside training and before it: the batch
    never reaches the model. `explained` says what happened. Its iterators end at once.

    Args:
        data: elements x, (inputs, ) or (inputs, target, sample_weight).
        dtype: in which numbers have to be finite.
    """

    def look(index: tf.Tensor, element: Any) -> Any:
        parts = element if isinstance(element, tuple) else (element,)
        inputs, weight = tf.nest.flatten(parts[0]), parts[2:]
        sound = [_all_finite(part, dtype) for part in inputs]
        fair = [
            _all_finite(part, dtype) & tf.reduce_all(part >= 0)
            for part in weight
            if part is not None
        ]
        assertions = [
            tf.debugging.Assert(tf.reduce_all(held), [f"{_BAD_BATCH} {what}", index])
            for held, what in (
                (sound, "rows with NaN or an infinity"),
                (fair, "a sample_weight that is not finite or below zero"),
            )
            if held
        ]
        with tf.control_dependencies(assertions):
            inputs = tf.nest.map_structure(tf.identity, parts[0])
        return (inputs, *parts[1:]) if isinstance(element, tuple) else inputs

    return untuned(data.enumerate().map(look, num_parallel_calls=tf.data.AUTOTUNE))


def _all_finite(values: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    return tf.reduce_all(tf.math.is_finite(tf.cast(values, dtype)))


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Says in one sentence which batch of a `checked_stream` was bad.

    Raises:
        DataError: in place of TensorFlow's error.
    """
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        found = re.search(rf"{_BAD_BATCH} ([^\]]*)\] \[(\d+)\]", str(error))
        if found is None:
            raise
        what, index = found.groups()
        raise screening.DataError(
            f"Batch {int(index) + 1} of the data set has {what}: mend or filter it. "
            "Nothing was learned from it: the weights are those of before."
        ) from None
