"""Maximum likelihood."""

import dataclasses
from typing import Any, ClassVar

import keras

from tfp_flows.objectives.objective import FromFields, Terms

__all__ = ["NegativeLogLikelihood"]


@keras.saving.register_keras_serializable(package="tfp_flows")
@dataclasses.dataclass(frozen=True)
class NegativeLogLikelihood(FromFields):
    """−log p(xᵢ), nats; what `FlowModel` minimizes unless it is given another one.

    The mean is over rows, wᵢ = 1 without weights, as Keras weights its own losses:
    −Σᵢ wᵢ log p(xᵢ) / N.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"log_prob"})

    def __call__(self, evaluation: Any, *, seed: Any, training: bool) -> Terms:
        """Returns −log p(xᵢ), [N]."""
        return Terms(-evaluation.log_prob)
