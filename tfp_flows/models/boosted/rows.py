"""Rows with what each component of a mixture makes of them, computed once."""

import warnings
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfp_flows.distributions import MixtureWeights, fit_mixture_weights
from tfp_flows.models.array_batches import array_batches, drawn_seed
from tfp_flows.models.bridge import inputs as model_inputs

__all__ = ["StageRows", "TrainingRows", "split_rows"]

# Rows of a stream that are kept: they decide the weights, a few numbers.
_KNOWN_ROWS = 50_000
# Rows of one evaluation, where a training step has fewer.
_EVALUATED_TOGETHER = 256


class StageRows:
    """Arrays of inputs, their weights, and log gⱼ of each component, [N, C].

    Args:
        inputs: x, or (x, context), as arrays.
        weight: [N], or None.
        batch_size: rows of an evaluation.
    """

    def __init__(self, inputs: Any, weight: Any, batch_size: int) -> None:
        self.inputs = inputs
        self.weight = None if weight is None else np.asarray(weight, "float32")
        self._batch_size = max(batch_size, _EVALUATED_TOGETHER)
        self._columns: list[np.ndarray] = []

    @property
    def log_densities(self) -> np.ndarray:
        """Values log gⱼ(xᵢ), [N, C]."""
        return np.stack(self._columns, axis=1)

    def log_density(self, model: Any) -> np.ndarray:
        """Returns log g(xᵢ) of a component's model, [N]."""
        return model.predict(self.inputs, batch_size=self._batch_size, verbose=0)

    def evaluate(self, index: int, model: Any) -> None:
        """Keeps the log-densities of component `index`, the next one or a known one.

        Raises:
            ValueError: a density that is not a number.
        """
        column = self.log_density(model)
        broken = ~(column < np.inf)
        if broken.any():
            raise ValueError(
                f"{model.name} gives {int(broken.sum())} rows a log-density of NaN or "
                f"+∞, first row {int(np.argmax(broken))}: its weights are not finite. "
                "Train it with a lower learning rate or a clipped gradient."
            )
        self.set(index, column)

    def set(self, index: int, column: np.ndarray) -> None:
        """Keeps a column as that of component `index`, the next one or a known one."""
        self._columns[index : index + 1] = [column]

    def log_mixture(self, weights: np.ndarray, without: int | None = None) -> Any:
        """Returns log G of the first components, without one of them, [N].

        Weights are scaled to sum to one over the components that remain.
        """
        kept = [j for j in range(len(weights)) if j != without]
        with np.errstate(divide="ignore"):
            logs = np.log(weights[kept] / weights[kept].sum())
        joint = self.log_densities[:, kept] + logs
        return np.logaddexp.reduce(joint, axis=1).astype("float32")

    def negative_log_likelihood(self, weights: np.ndarray) -> float:
        """Mean of −log G(xᵢ), nats a row."""
        return -float(np.average(self.log_mixture(weights), weights=self.weight))

    def best_share(self, weights: np.ndarray, index: int) -> tuple[float, float]:
        """Returns the best weight of one component beside the others, and the NLL.

        Args:
            weights: of all components; the others keep their proportions.
            index: of the one component.
        """
        others = self.log_mixture(weights, without=index)
        pair = np.stack([others, self._columns[index]], axis=1)
        fitted = fit_mixture_weights(pair, sample_weight=self.weight)
        return float(fitted.weights[1]), -fitted.log_likelihood

    def fit_weights(self, initial: np.ndarray) -> MixtureWeights:
        """Returns the best weights for these rows, by EM from `initial`."""
        return fit_mixture_weights(
            self.log_densities, initial=initial, sample_weight=self.weight
        )


class TrainingRows:
    """Training data: rows that are known by place, or a stream that is not.

    Arrays of up to `cache_rows` rows are known: what earlier components make of them
    is looked up. Of anything else some rows are kept for the weights, and in training
    the mixture so far is evaluated for each batch anew, with a warning.

    Args:
        packed: inputs as a model takes them: arrays or a `tf.data.Dataset`.
        sample_weight: [N] with arrays, or None.
        batch_size: rows of a step.
        cache_rows: as above.
    """

    def __init__(
        self, packed: Any, sample_weight: Any, batch_size: int, cache_rows: int
    ) -> None:
        self._packed, self._batch_size = packed, batch_size
        self.stream: tf.data.Dataset | None = None
        if model_inputs.is_array(packed):
            count = len(tf.nest.flatten(packed)[0])
            kept = np.arange(count)
            if count > cache_rows:
                self.stream = _shuffled(packed, sample_weight, batch_size)
                kept = np.linspace(0, count - 1, min(_KNOWN_ROWS, cache_rows)).astype(
                    int
                )
                self._warn(f"{count:,} rows are more than cache_rows = {cache_rows:,}")
            inputs = tf.nest.map_structure(lambda part: np.asarray(part)[kept], packed)
            weight = None if sample_weight is None else np.asarray(sample_weight)[kept]
        else:
            model_inputs.check_rereadable(packed)
            self.stream = packed
            inputs, weight = _collected(packed, min(_KNOWN_ROWS, cache_rows))
            self._warn("the rows of a tf.data.Dataset are not known by their place")
        self.known = StageRows(inputs, weight, batch_size)

    @staticmethod
    def _warn(reason: str) -> None:
        warnings.warn(
            f"The mixture so far is evaluated in each step of training: {reason}. "
            "Pass arrays, or a larger cache_rows, to evaluate it once.",
            stacklevel=5,
        )

    def for_maximum_likelihood(self) -> dict[str, Any]:
        """Returns what `FlowModel.fit_packed` takes: inputs and the user's weights."""
        if self.stream is not None:
            return {"inputs": self.stream}
        inputs, weight = self.known.inputs, self.known.weight
        return {
            "inputs": inputs,
            "sample_weight": weight,
            "batch_size": self._batch_size,
        }

    def for_stage(
        self,
        log_mixture: np.ndarray,
        evaluate: Callable[[Any], tf.Tensor],
        weigh: Callable[[tf.Tensor], tf.Tensor] | None,
    ) -> dict[str, Any]:
        """Returns what `FlowModel.fit_packed` takes: inputs with log G, and weights.

        Args:
            log_mixture: [N], log G of the known rows.
            evaluate: inputs of a batch → log G, where rows are not known.
            weigh: log G → ω; None for weights of one.
        """
        if self.stream is not None:
            known = self.stream.map(_with_known(evaluate, weigh))
            return {"inputs": known.prefetch(2)}
        weight = self.known.weight
        if weigh is not None:
            own = weigh(tf.constant(log_mixture, "float64")).numpy()
            weight = own if weight is None else weight * own
        return {
            "inputs": _beside(self.known.inputs, log_mixture),
            "sample_weight": None if weight is None else weight.astype("float32"),
            "batch_size": self._batch_size,
        }


def split_rows(
    packed: Any, weight: Any, validation_data: Any, validation_split: float
) -> tuple[Any, Any, tuple[Any, Any] | None]:
    """Returns inputs and weights of the training rows; and those of the held-out ones.

    Args:
        packed: inputs as a model takes them.
        weight: [N] with arrays, or None.
        validation_data: packed, as Keras takes it, or None.
        validation_split: share of the rows to hold out, the last ones as in Keras.

    Raises:
        ValueError: an empty part, or weights that are not one number ≥ 0 a row.
    """
    if weight is not None:
        model_inputs.check_weight(weight, packed)
    if validation_data is not None:
        return packed, weight, _as_arrays(validation_data)
    if not validation_split:
        return packed, weight, None
    count = len(tf.nest.flatten(packed)[0])
    first = int(count * (1 - validation_split))
    if first in (0, count):
        raise ValueError(
            f"validation_split={validation_split} of {count} rows leaves a part empty."
        )

    def part(rows: slice) -> tuple[Any, Any]:
        inputs = tf.nest.map_structure(lambda values: values[rows], packed)
        return inputs, None if weight is None else np.asarray(weight)[rows]

    return *part(slice(None, first)), part(slice(first, None))


def _as_arrays(validation_data: Any) -> tuple[Any, Any]:
    if isinstance(validation_data, tf.data.Dataset):
        return _collected(validation_data, None)
    inputs, _, weight = keras.utils.unpack_x_y_sample_weight(validation_data)
    return inputs, weight


def _collected(
    data: tf.data.Dataset, limit: int | None
) -> tuple[Any, np.ndarray | None]:
    """Up to `limit` rows of a data set as arrays, with their weights."""
    batches, count = [], 0
    for element in data:
        inputs, _, weight = keras.utils.unpack_x_y_sample_weight(element)
        batches.append((inputs,) if weight is None else (inputs, weight))
        count += int(tf.shape(tf.nest.flatten(inputs)[0])[0])
        if limit is not None and count >= limit:
            break
    if not batches:
        raise ValueError("The data set is empty.")
    joined = tf.nest.map_structure(
        lambda *parts: np.concatenate([np.asarray(p) for p in parts])[:limit], *batches
    )
    return joined[0], joined[1] if len(joined) == 2 else None


def _shuffled(packed: Any, sample_weight: Any, batch_size: int) -> tf.data.Dataset:
    element = (packed,) if sample_weight is None else (packed, None, sample_weight)
    return array_batches(element, batch_size, seed=drawn_seed())


def _beside(inputs: Any, known: Any) -> tuple[Any, ...]:
    """Inputs with a known column."""
    return (*inputs, known) if isinstance(inputs, tuple) else (inputs, known)


def _with_known(
    evaluate: Callable[[Any], tf.Tensor],
    weigh: Callable[[tf.Tensor], tf.Tensor] | None,
) -> Callable[..., Any]:
    """From an element of a data set to one whose inputs have log G, and its weight."""

    def with_known(*element: Any) -> tuple[Any, ...]:
        inputs, _, weight = keras.utils.unpack_x_y_sample_weight(element)
        log_mixture = evaluate(inputs)
        if weigh is not None:
            own = weigh(log_mixture)
            weight = own if weight is None else own * tf.cast(weight, own.dtype)
        inputs = _beside(inputs, log_mixture)
        if weight is None:
            return (inputs,)
        return inputs, tf.zeros_like(log_mixture), weight

    return with_known
