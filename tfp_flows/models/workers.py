"""Training on several workers as on one: each a process that `TF_CONFIG` describes.

Every worker holds the same weights, reads the same batches and takes its share of the
rows of each; gradients are averaged before the optimizer sees them. What is computed
from all rows (data-dependent starts, validation, early stopping) is computed by every
worker and is the same on all. Keras' own `fit` under `MultiWorkerMirroredStrategy`
fails (keras-team/keras#20585); of that only the runtime of collectives is used.
"""

import functools
import itertools
import json
import os
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from tfp_flows.models.array_batches import array_batches, drawn_seed
from tfp_flows.models.stage_relay import as_list

__all__ = [
    "Workers",
    "join_workers",
    "joined_workers",
    "place_of_worker",
    "require_one_process",
    "share_inputs",
]

_GROUP = 20_585  # of the collectives; any number but those of other groups
_PATIENCE = 120.0  # seconds that a worker waits for the others in one step


def join_workers() -> "Workers | None":
    """Joins the workers that `TF_CONFIG` names, before anything else of TensorFlow.

    Waits until all are there. `FlowModel.fit` then trains across them: `batch_size` is
    that of all together, and each fit starts with the weights of the first.

    Returns:
        This worker's place, or None where `TF_CONFIG` names fewer than two.

    Raises:
        RuntimeError: TensorFlow has computed something already.
    """
    if not _JOINED and (place := place_of_worker()):
        tf.distribute.MultiWorkerMirroredStrategy()  # starts the runtime of collectives
        _JOINED.append(Workers(*place))
    return joined_workers()


def joined_workers() -> "Workers | None":
    """Returns this worker's place.

    Raises:
        RuntimeError: `TF_CONFIG` names several workers that this one has not joined.
    """
    if not _JOINED and (place := place_of_worker()):
        raise RuntimeError(
            f"TF_CONFIG names {place[1]} workers: call "
            "tfp_flows.models.join_workers() before anything else of TensorFlow, or "
            "unset TF_CONFIG to train in one process."
        )
    return _JOINED[0] if _JOINED else None


def require_one_process(model: keras.Model) -> None:
    """Refuses to train what does not average its gradients.

    Raises:
        NotImplementedError: there are several workers.
    """
    if joined_workers() is not None:
        raise NotImplementedError(
            f"{type(model).__name__} trains in one process, and TF_CONFIG names "
            "several: unset it. FlowModel and BoostedFlow train across workers."
        )


class Workers:
    """This worker's place among all.

    Args:
        index: 0 for the chief, which alone should write files.
        count: of all workers.
    """

    def __init__(self, index: int, count: int) -> None:
        self.index, self.count = index, count
        self._keys = itertools.count(1)

    @property
    def is_chief(self) -> bool:
        """Whether this is the first worker."""
        return self.index == 0

    def sum(self, values: Sequence[Any]) -> list[tf.Tensor]:
        """Returns the sums over workers of floating tensors, in one exchange a dtype.

        All workers have to call this in the same order.

        Raises:
            tf.errors.OpError: another worker is gone.
        """
        tensors = [tf.convert_to_tensor(value) for value in values]
        found: list[Any] = [None] * len(tensors)
        for dtype in dict.fromkeys(tensor.dtype for tensor in tensors):
            chosen = [i for i, tensor in enumerate(tensors) if tensor.dtype == dtype]
            flat = tf.concat([tf.reshape(tensors[i], [-1]) for i in chosen], 0)
            sizes = [tf.size(tensors[i]) for i in chosen]
            parts = tf.split(self._reduce(flat), sizes)
            for i, part in zip(chosen, parts, strict=True):
                found[i] = tf.reshape(part, tf.shape(tensors[i]))
        return found

    def _reduce(self, flat: tf.Tensor) -> tf.Tensor:
        return tf.raw_ops.CollectiveReduceV2(
            input=flat,
            group_size=self.count,
            group_key=_GROUP,
            instance_key=next(self._keys),
            ordering_token=[],
            merge_op="Add",
            final_op="Id",
            communication_hint="ring",
            timeout_seconds=_PATIENCE,
        )

    def share(self, batches: tf.data.Dataset) -> tf.data.Dataset:
        """Returns this worker's rows of each batch, as many as every other's.

        Rows that cannot be shared out equally, fewer than there are workers, are left
        out of their batch.
        """

        def of_this(*batch: Any) -> Any:
            rows = tf.shape(tf.nest.flatten(batch)[0])[0] // self.count
            message = f"{self.count} workers need as many rows in each batch."
            with tf.control_dependencies([tf.debugging.assert_positive(rows, message)]):
                end = rows * self.count
            return tf.nest.map_structure(
                lambda part: part[self.index : end : self.count], batch
            )

        return batches.map(of_this)

    def prepare(self, model: keras.Model) -> None:
        """Gives the model the chief's weights, its optimizer averaged gradients."""
        if not model.compiled:
            return  # Keras says so
        if model.jit_compile is True:
            raise ValueError("Several workers train without XLA: jit_compile=False.")
        model.jit_compile = False
        self._broadcast(model.variables)
        optimizer = model.optimizer
        if getattr(optimizer.apply, "workers", None) is not self:
            optimizer.apply = self._averaged(optimizer.apply)

    def _broadcast(self, variables: Sequence[Any]) -> None:
        values = [tf.convert_to_tensor(v.value) for v in variables]
        wide = [v if v.dtype.is_floating else tf.cast(v, tf.int64) for v in values]
        summed = self.sum([v if self.is_chief else tf.zeros_like(v) for v in wide])
        for variable, value, total in zip(variables, values, summed, strict=True):
            variable.assign(tf.cast(total, value.dtype))

    def _averaged(self, apply: Any) -> Any:
        @functools.wraps(apply)
        def averaged(grads: Sequence[Any], trainable_variables: Any = None) -> Any:
            given = [i for i, grad in enumerate(grads) if grad is not None]
            grads = list(grads)
            for i, total in zip(
                given, self.sum([grads[i] for i in given]), strict=True
            ):
                grads[i] = total / tf.cast(self.count, total.dtype)
            return apply(grads, trainable_variables)

        averaged.workers = self  # type: ignore[attr-defined]
        return averaged

    def callbacks(self, given: Any) -> list[keras.callbacks.Callback]:
        """Returns the callbacks, between one that averages logs and one that stops."""
        return [_AverageLogs(self), *as_list(given), _StopTogether(self)]


class _AverageLogs(keras.callbacks.Callback):  # type: ignore[misc]
    """Averages what each worker saw of its rows; validation saw all rows."""

    def __init__(self, workers: Workers) -> None:
        super().__init__()
        self._workers = workers

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        names = sorted(name for name in logs or {} if not name.startswith("val_"))
        values = [tf.constant(float(logs[name]), tf.float64) for name in names]  # type: ignore[index]
        for name, total in zip(names, self._workers.sum(values), strict=True):
            logs[name] = float(total) / self._workers.count  # type: ignore[index]


class _StopTogether(keras.callbacks.Callback):  # type: ignore[misc]
    """Stops all where one stops, so that none waits for it."""

    def __init__(self, workers: Workers) -> None:
        super().__init__()
        self._workers = workers

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        (votes,) = self._workers.sum([tf.constant(float(self.model.stop_training))])
        self.model.stop_training = bool(votes > 0)


_JOINED: list[Workers] = []


def place_of_worker() -> tuple[int, int] | None:
    """Returns this process' place in `TF_CONFIG`, and how many there are; or None."""
    config = json.loads(os.environ.get("TF_CONFIG") or "{}")
    cluster = config.get("cluster", {})
    chiefs, others = (len(cluster.get(kind, ())) for kind in ("chief", "worker"))
    if chiefs + others < 2:
        return None
    task = config["task"]
    index = int(task["index"]) + (chiefs if task["type"] == "worker" else 0)
    return index, chiefs + others


def share_inputs(
    workers: Workers, inputs: Any, target: Any, options: dict[str, Any]
) -> tf.data.Dataset:
    """Returns arrays, or the batches of a data set, as this worker's batches.

    Args:
        workers: all.
        inputs: as `fit_packed` takes them.
        target: beside arrays, or None.
        options: of `keras.Model.fit`; those that say how arrays are batched are taken
            out.
    """
    weight = options.pop("sample_weight", None)
    size = options.pop("batch_size", None) or 32
    shuffled = options.pop("shuffle", True)
    options["shuffle"] = False  # of batches: rows are, below
    if isinstance(inputs, tf.data.Dataset):
        return workers.share(inputs)
    if options.pop("validation_split", None):
        raise ValueError(
            "Several workers take validation_data, the same on each: received "
            "validation_split."
        )
    rows = (inputs,) if weight is None else (inputs, target, weight)
    seed = None
    if shuffled:
        drawn = drawn_seed() if workers.is_chief else 0
        seed = int(workers.sum([tf.constant(drawn, tf.float64)])[0])
    whole, left = divmod(len(tf.nest.flatten(rows)[0]), size)
    batches = array_batches(rows, size, seed=seed)
    return workers.share(batches.take(whole) if left < workers.count else batches)
