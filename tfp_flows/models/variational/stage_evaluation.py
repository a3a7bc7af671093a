"""A mixture in the stage of one component, as `objectives.BoostedBound` asks for it."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfp_flows.bijectors import Continuous, Path
from tfp_flows.bijectors.continuous import PathRecord
from tfp_flows.models.variational.posteriors import BoostedPosterior, mixture_of
from tfp_flows.objectives import BoostedBound

__all__ = ["StageEvaluation", "bound_of", "stage_evaluation"]


@dataclasses.dataclass(frozen=True)
class StageEvaluation:
    """Components at a batch, and the density that they are to match.

    Attributes:
        components: g₁ … g_c, of which the last one is new.
        earlier: the mixture of those before it, without a gradient; None in stage 1.
        mixture: of all of them.
        score: z → (log p(x|z), log p(z)), each [batch...].
        weights: [c].
        beta: weight of prior and entropy.
        sample_all: probability of a batch from any component.
        x: [N, event...], rows of the data.
        layers: the continuous ones, told of `record`.
        record: keeps the solves that made the latest draw.
    """

    components: Sequence[tfd.Distribution]
    earlier: tfd.Distribution | None
    mixture: tfd.Distribution
    score: Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]
    weights: tf.Tensor
    beta: Any = 1.0
    sample_all: Any = 0.0
    x: Any = None
    layers: Sequence[Continuous] = ()
    record: PathRecord = dataclasses.field(default_factory=PathRecord)

    @property
    def path(self) -> list[Path]:
        """The way of the latest draw of a single component, layer by layer."""
        return self.record.of(self.layers)


def stage_evaluation(
    components: Sequence[tfd.Distribution],
    fixed: Sequence[tfd.Distribution],
    score: Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]],
    weights: tf.Tensor,
    **schedule: Any,
) -> StageEvaluation:
    """Joins components to the mixtures of a stage.

    Args:
        components: g₁ … g_c.
        fixed: g₁ … g_{c−1} as the earlier mixture takes them.
        score: as above.
        weights: [c].
        **schedule: `beta`, `sample_all` and what else the evaluation has.
    """
    earlier = None
    if fixed:
        earlier = mixture_of(fixed, weights[:-1] / tf.reduce_sum(weights[:-1]))
    mixture = mixture_of(components, weights)
    return StageEvaluation(components, earlier, mixture, score, weights, **schedule)


def bound_of(posterior: Any) -> BoostedBound:
    """The bound with the options of a boosted posterior, or plain."""
    if not isinstance(posterior, BoostedPosterior):
        return BoostedBound()
    return BoostedBound(posterior.entropy_weight, posterior.log_floor)
