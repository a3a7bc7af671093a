"""Rows of several instruments, batches or sites as rows of one."""

from typing import Any

import keras
import numpy as np
from sklearn.utils import check_consistent_length, check_random_state, column_or_1d
from sklearn.utils.validation import check_is_fitted, validate_data

from tfp_flows.models import AlignFlow
from tfp_flows.sklearn.density import PickledModel

__all__ = ["FlowAligner"]

_BATCH_SIZE = 256


class FlowAligner(PickledModel):
    """Translates rows of every domain to one of them, and back exactly.

    Domains are matched as a whole, without pairs, by a `models.AlignFlow` that starts
    as the linear map between their moments, or as no map where these explain little.

        aligner = FlowAligner("new").fit(X, domain)    # domain: [N], "old" or "new"
        aligner.transform(X, domain)                   # [N, D], all as of "new"

    Args:
        target: the domain to translate to.
        epochs: passes over the rows of the largest domain.
        transport_weight: as for `AlignFlow`.
        random_state: an integer makes the fit reproducible.

    Attributes:
        model_: the `AlignFlow`; its domains are the labels as text.
        n_features_in_, feature_names_in_: as in scikit-learn.
    """

    def __init__(
        self,
        target: Any,
        *,
        epochs: int = 50,
        transport_weight: float = 0.3,
        random_state: Any = None,
    ) -> None:
        self.target = target
        self.epochs = epochs
        self.transport_weight = transport_weight
        self.random_state = random_state

    def fit(self, X: Any, domain: Any, sample_weight: Any = None) -> "FlowAligner":  # noqa: N803
        """Trains a new model.

        Args:
            X: [N, D].
            domain: [N], which domain each row is of.
            sample_weight: [N], a row counts this many times.
        """
        rows = validate_data(self, X, dtype="float32")
        parts = _parts(domain, rows)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        self.model_ = AlignFlow.for_tables(
            list(parts),
            rows.shape[1],
            transport_weight=self.transport_weight,
            seed=seed,
        )
        self.model_.flow(str(self.target))
        self.model_.seeds.state.assign([seed, 0])
        steps = self.epochs * -(-max(map(np.sum, parts.values())) // _BATCH_SIZE)
        rate = keras.optimizers.schedules.CosineDecay(1e-3, steps)
        self.model_.compile(keras.optimizers.Adam(rate, global_clipnorm=10.0))
        if sample_weight is not None:
            weight = np.asarray(sample_weight)
            sample_weight = {name: weight[part] for name, part in parts.items()}
        self.model_.fit(
            {name: rows[part] for name, part in parts.items()},
            sample_weight=sample_weight,
            batch_size=_BATCH_SIZE,
            epochs=self.epochs,
            verbose=0,
        )
        return self

    def transform(self, X: Any, domain: Any) -> np.ndarray:  # noqa: N803
        """Returns rows as rows of the target, [N, D]; the target's own stay."""
        return self._moved(X, domain, slice(None))

    def inverse_transform(self, X: Any, domain: Any) -> np.ndarray:  # noqa: N803
        """Returns rows of the target as rows of the domain that each is said to be."""
        return self._moved(X, domain, slice(None, None, -1))

    def _moved(self, X: Any, domain: Any, order: slice) -> np.ndarray:  # noqa: N803
        check_is_fitted(self)
        rows = validate_data(self, X, dtype="float32", reset=False)
        moved, target = rows.copy(), str(self.target)
        for name, part in _parts(domain, rows).items():
            if name != target:
                moved[part] = self.model_.translate(rows[part], *(name, target)[order])
        return moved


def _parts(domain: Any, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Which rows are of each domain, by its name."""
    labels = column_or_1d(domain).astype(str)
    check_consistent_length(rows, labels)
    return {str(name): labels == name for name in np.unique(labels)}
