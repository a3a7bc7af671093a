"""Molecules whole: how many atoms, of which kinds, and where they are."""

import dataclasses
import pathlib
from typing import Any

import keras
import tensorflow as tf

from tfp_flows.models.flow_model import FlowModel

__all__ = ["MoleculeModel"]


@dataclasses.dataclass(frozen=True)
class MoleculeModel:
    """log p(x, h, M) ≥ log p(M) + bound of log p(h | M) + log p(x | h).

    Two models, trained apart: no weight is shared, and their log-probabilities add up.
    The value is a lower bound, exact but for the lifting of the kinds.

        features = NodeFeatures(coupling_flow(P * K, context_size=1), P, K)
        positions = equivariant_flow(P, 3, node_features=K)
        model = MoleculeModel(FlowModel(features), FlowModel(positions))
        for part, rows in ((model.features, (h,)), (model.positions, (x, h))):
            part.compile("adam"); part.fit(*rows)     # x: [N, P, 3], h: [N, P K]

    Attributes:
        features: of a `NodeFeatures`.
        positions: of an `equivariant_flow` with as many node features.

    Raises:
        ValueError: the positions are conditioned on another number of features.
    """

    features: FlowModel
    positions: FlowModel

    def __post_init__(self) -> None:
        (size,) = self.features.distribution.event_shape
        if self.positions.context_size != size:
            raise ValueError(
                "positions: expected a flow of positions given features of size "
                f"{size}, received context_size {self.positions.context_size}."
            )

    def log_prob(self, x: Any, h: Any, seed: Any = None) -> tf.Tensor:
        """Returns the bound, [N], nats.

        Args:
            x: [N, P, n]; what stands in places without an atom is not looked at.
            h: [N, P · K], features by place.
            seed: of the lifting; None: what each row hashes to.
        """
        return self.features.log_prob(h, seed=seed) + self.positions.log_prob(x, h)

    def sample(self, n: int, seed: Any = None) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns positions, [n, P, n], and features, [n, P · K]; same seed, same."""
        h = self.features.sample(n, seed=seed)
        return self.positions.sample(1, h, seed=seed)[0], h

    def save(self, folder: str | pathlib.Path) -> None:
        """Writes features.keras and positions.keras into a folder."""
        pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
        for field in dataclasses.fields(self):
            path = pathlib.Path(folder) / f"{field.name}.keras"
            getattr(self, field.name).save(path)

    @classmethod
    def load(cls, folder: str | pathlib.Path) -> "MoleculeModel":
        """Reads what `save` wrote."""
        names = [field.name for field in dataclasses.fields(cls)]
        paths = [pathlib.Path(folder) / f"{name}.keras" for name in names]
        return cls(*map(keras.models.load_model, paths))
