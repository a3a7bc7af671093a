"""A flow as a density estimator."""

import inspect
import pathlib
import tempfile
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from sklearn.base import BaseEstimator, DensityMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import (
    _check_sample_weight,
    check_is_fitted,
    validate_data,
)
from tensorflow_probability import distributions as tfd

from tfp_flows.architectures import coupling_flow
from tfp_flows.models import FlowModel
from tfp_flows.models.array_batches import array_batches

__all__ = ["FlowDensity", "PickledModel"]

_FEWEST_ROWS = 5
_VALIDATION_ROWS = 20  # below it a validation score is mostly chance
_SCORED_TOGETHER = 4096
_LARGEST_SEED = 2**31 - 1


class PickledModel(BaseEstimator):  # type: ignore[misc]
    """Estimators whose `model_` is pickled as its file."""

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        if "model_" in state:
            state["model_"] = _bytes_of(state["model_"])
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        if "model_" in state:
            state = {**state, "model_": _model_of(state["model_"])}
        super().__setstate__(state)


class FlowDensity(DensityMixin, PickledModel):  # type: ignore[misc]
    """The density of the rows of a table.

    Trains by maximum likelihood and keeps the epoch that was best on rows held out for
    it, the start among them: a Gaussian or a mixture of them. So on few rows the
    density is no worse than those. Columns are taken as they are, without scaling.

    Args:
        flow: event_size → distribution, `architectures.coupling_flow` by default; a
            function that takes `seed` and `dtype` is given them.
        epochs: passes over the rows at most.
        batch_size: rows of a step; at most what makes eight steps an epoch.
        learning_rate: of Adam, falling along a cosine.
        validation_fraction: of the rows, at least 20 of them or a third.
        patience: epochs without a better one that end the training.
        dtype: of weights and scores. In "float32" training is faster, and a score
            depends on the rows beside it in the seventh digit.
        random_state: an integer makes the fit reproducible.
        verbose: as in Keras.

    Attributes:
        model_: the `FlowModel`; its `export` makes a SavedModel.
        history_: validation negative log-likelihood, nats, of the start and of each
            epoch.
        n_features_in_: columns.
        feature_names_in_: their names, if X was a data frame.

    Example:
        >>> import functools
        >>> x = np.random.default_rng(0).normal([3.0, 5.0], [1.0, 2.0], [500, 2])
        >>> small = functools.partial(coupling_flow, num_layers=1, hidden_sizes=(8,))
        >>> density = FlowDensity(small, epochs=1, random_state=0).fit(x)
        >>> bool(abs(density.score(x) + 3.5) < 0.2)
        True
        >>> density.sample(3, random_state=0).shape
        (3, 2)
    """

    def __init__(
        self,
        flow: Callable[..., tfd.Distribution] = coupling_flow,
        *,
        epochs: int = 100,
        batch_size: int = 512,
        learning_rate: float = 1e-3,
        validation_fraction: float = 0.1,
        patience: int = 10,
        dtype: str = "float64",
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.flow = flow
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.dtype = dtype
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> "FlowDensity":  # noqa: N803
        """Trains a new flow.

        Args:
            X: [N, D], at least five rows.
            y: ignored.
            sample_weight: [N], a row counts this many times.

        Raises:
            ValueError: rows that no density can be fit to, such as a constant column.
        """
        rows = validate_data(self, X, dtype=self.dtype, ensure_min_samples=_FEWEST_ROWS)
        draw = check_random_state(self.random_state)
        seed = int(draw.randint(_LARGEST_SEED))
        order = draw.permutation(len(rows))
        columns = [rows]
        if sample_weight is not None:
            columns.append(_check_sample_weight(sample_weight, rows))
        validation, training = (
            tuple(column[part] for column in columns)
            for part in np.split(order, [self._num_validation(len(rows))])
        )
        self.model_ = FlowModel(self._new_flow(rows.shape[1], seed))
        self.model_.adapt(_as_drawn(*training, draw=draw))
        self._train(training, validation, seed)
        return self

    def _num_validation(self, count: int) -> int:
        least = min(_VALIDATION_ROWS, count // 3)
        return max(round(self.validation_fraction * count), least)

    def _new_flow(self, size: int, seed: int) -> tfd.Distribution:
        names = inspect.signature(self.flow).parameters
        given = {"seed": seed, "dtype": self.dtype}
        return self.flow(size, **{k: v for k, v in given.items() if k in names})

    def _train(self, training: tuple, validation: tuple, seed: int) -> None:
        count = len(training[0])
        size = min(self.batch_size, max(count // 8, 1))
        steps = -(-count // size)
        batches = array_batches(training, size, seed=seed).map(_element)
        schedule = keras.optimizers.schedules.CosineDecay(
            self.learning_rate, self.epochs * steps
        )
        self.model_.compile(keras.optimizers.Adam(schedule, global_clipnorm=10.0))
        held = array_batches(validation, _SCORED_TOGETHER).map(_element)
        best = _BestEpoch(self.model_.evaluate(held, verbose=0), self.patience)
        self.model_.fit(
            batches,
            epochs=self.epochs,
            validation_data=held,
            callbacks=[best],
            verbose=self.verbose,
        )
        self.history_ = best.history

    def score_samples(self, X: Any) -> np.ndarray:  # noqa: N803
        """Returns the log-density of each row, [N], nats in the columns' units."""
        check_is_fitted(self)
        rows = validate_data(self, X, dtype=self.dtype, reset=False)
        scores = self.model_.predict(rows, batch_size=_SCORED_TOGETHER, verbose=0)
        return np.asarray(scores, "float64")

    def score(self, X: Any, y: Any = None) -> float:  # noqa: N803
        """Returns the mean log-density of the rows; more is better."""
        return float(self.score_samples(X).mean())

    def sample(self, n_samples: int = 1, random_state: Any = None) -> np.ndarray:
        """Returns new rows, [n_samples, D].

        Args:
            n_samples: their number.
            random_state: an integer gives the same rows every time.
        """
        check_is_fitted(self)
        seed = int(check_random_state(random_state).randint(_LARGEST_SEED))
        return np.asarray(self.model_.sample(n_samples, seed=seed))


class _BestEpoch(keras.callbacks.Callback):  # type: ignore[misc]
    """Ends a training that no longer improves, and goes back to its best epoch."""

    def __init__(self, start: float, patience: int) -> None:
        super().__init__()
        self.history = [float(start)]
        self._patience = patience

    def on_train_begin(self, logs: Any = None) -> None:
        self._weights = self.model.get_weights()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        loss = float((logs or {})["val_loss"])
        if loss < min(self.history):
            self._weights = self.model.get_weights()
        self.history.append(loss)
        epochs_since = len(self.history) - 1 - int(np.nanargmin(self.history))
        if epochs_since >= self._patience or not np.isfinite(loss):
            self.model.stop_training = True

    def on_train_end(self, logs: Any = None) -> None:
        self.model.set_weights(self._weights)


def _as_drawn(rows: np.ndarray, *weight: np.ndarray, draw: Any) -> np.ndarray:
    """Rows as they are drawn by their weights, for a start that counts them equally."""
    if not weight:
        return rows
    return rows[draw.choice(len(rows), len(rows), p=weight[0] / weight[0].sum())]


def _element(rows: tf.Tensor, *weight: tf.Tensor) -> tuple:
    # The place of a target, which a density has not.
    return (rows, None, *weight) if weight else (rows,)


def _bytes_of(model: keras.Model) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "model.keras"
        model.save(path)
        return path.read_bytes()


def _model_of(content: bytes) -> keras.Model:
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "model.keras"
        path.write_bytes(content)
        return keras.models.load_model(path)
