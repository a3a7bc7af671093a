"""The energy score: training by draws alone, without a density."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from tfp_flows.objectives.objective import FromFields, Terms
from tfp_flows.objectives.scores.distances import (
    Distance,
    block_distance,
    mean_between,
    pairwise_distance,
    patch_distance,
    project,
    sliced_distance,
)

__all__ = ["EnergyScore"]

# Without a context all rows share the draws: as many as fit beside a batch.
_SHARED, _SHARED_NUMBERS, _FEWEST = 256, 16_384, 16


@keras.saving.register_keras_serializable(package="tfp_flows")
@dataclasses.dataclass(frozen=True)
class EnergyScore(FromFields):
    """E|X − xᵢ|^β − ½ E|X − X′|^β, X and X′ independent draws; less is better.

    Strictly proper for 0 < β < 2: its mean is least where the model is the data's
    distribution. Of m draws, without bias:

        fair: (1/m) Σₖ |Xₖ − xᵢ|^β − 1/(2m(m − 1)) Σₖ≠ₗ |Xₖ − Xₗ|^β
        band: the same with neighbours k, k + 1 alone in the second sum, at O(m D)

    Anything that is sampled with gradients trains by it, without a Jacobian, and whole
    numbers by the density that a `Dequantized` distribution rounds:

        FlowModel(distribution, objective=EnergyScore())

    Given a context each row has draws of its own; without, all rows share them.
    Evaluation uses the same random numbers each time, so that it can stop a training,
    and shows the likelihood beside the score where there is one.

    Args:
        beta: β; below the tail index of the data, 1 for t with one degree and less.
        draws: m. None: 2 a row with a context, else up to 256 for all rows.
        estimator: "fair" or "band".
        projections: L > 0: distances along L random directions, divided by their
            share of the whole one: the same mean at O(L) a distance.
        blocks: sizes of blocks of columns, whose scores are added: many small events
            where the distances of one large event concentrate. Proper for the blocks'
            marginals alone, so not for what joins them.
        patch: P > 0: the mean score of all P × P patches of images.
        teacher_forcing: adds the scores of the blocks of a
            `bijectors.SemiAutoregressive` layer, or an `ImplicitDistribution` of
            blocks, each given the row's own blocks
            before it, in the coordinates of that layer: proper for the whole.
        scale: of the columns, which are divided by it. None: their standard
            deviations as a first layer `Standardize` or `Whiten` has them, or an
            `ImplicitDistribution`, else 1.

    Reference: Gneiting and Raftery (2007), "Strictly proper scoring rules, prediction,
    and estimation", section 5.1; flows: Si et al. (2023), arXiv:2206.06672.
    """

    beta: float = 1.0
    draws: int | None = None
    estimator: str = "fair"
    projections: int = 0
    blocks: Sequence[int] = ()
    patch: int = 0
    teacher_forcing: bool = False
    scale: Sequence[float] | None = None

    def __post_init__(self) -> None:
        _check(self)
        # Files know lists alone.
        object.__setattr__(self, "blocks", tuple(map(int, self.blocks)))
        if self.scale is not None:
            object.__setattr__(self, "scale", tuple(map(float, self.scale)))

    @property
    def needs(self) -> frozenset[str]:  # type: ignore[override]
        """Draws, of whole events or of the blocks of a layer."""
        asked = {"conditionals"} if self.teacher_forcing else {"samples", "scale"}
        return frozenset({"seed", *asked})

    def __call__(self, evaluation: Any, *, seed: tf.Tensor, training: bool) -> Terms:
        """Returns the score of each row, [N]."""
        seeds = tf.unstack(tf.random.split(seed, 3))
        if self.teacher_forcing:
            x, draws, sizes = evaluation.conditionals(self.draws or 2, seeds[0])
            return Terms(_scores(x, draws, self, block_distance(self.beta, sizes)))
        x, count = evaluation.rows(seeds[2]), self.draws
        if count is None and evaluation.context is None:
            size = math.prod(x.shape[1:])
            count = min(_SHARED, max(_FEWEST, _SHARED_NUMBERS // size))
        scale = evaluation.scale if self.scale is None else self.scale
        draws = evaluation.samples(count or 2, seeds[0])
        draws = tf.ensure_shape(draws, [count or 2, *draws.shape[1:]])
        return Terms(self.score(x, draws, scale=scale, seed=seeds[1]))

    def score(
        self, x: Any, draws: Any, *, scale: Any = None, seed: Any = (0, 0)
    ) -> tf.Tensor:
        """Returns the score of each row, [N].

        Args:
            x: [N, event...].
            draws: [m, N, event...], of each row; or [m, event...], of all rows.
            scale: replaces the field of that name.
            seed: of projections.

        Raises:
            ValueError: fewer than two draws, or shapes that do not fit.
        """
        x = tf.convert_to_tensor(x)
        draws = tf.convert_to_tensor(draws, x.dtype)
        scale = self.scale if scale is None else scale
        if draws.shape[0] < 2 or draws.shape[-x.shape.rank + 1 :] != x.shape[1:]:
            raise ValueError(
                "draws must have shape [m, N, event...] or [m, event...] with m ≥ 2 "
                f"for x of shape {tuple(x.shape)}, received {tuple(draws.shape)}."
            )
        if scale is not None:
            x, draws = x / scale, draws / scale
        if self.patch:
            return _scores(x, draws, self, patch_distance(self.beta, self.patch))
        rank = x.shape.rank - 1
        size = math.prod(x.shape[1:])
        x, draws = (
            tf.reshape(part, [*tf.unstack(tf.shape(part)[:-rank]), size])
            for part in (x, draws)
        )
        if draws.shape.rank == 2 and not (self.projections or self.blocks):
            return _scores_of_shared(x, draws, self)
        if not self.projections:
            sizes = self.blocks or (size,)
            return _scores(x, draws, self, block_distance(self.beta, sizes))
        shape = [size, self.projections]
        directions = tf.random.stateless_normal(shape, seed, dtype=x.dtype)
        directions /= tf.norm(directions, axis=0)
        x, draws = project(x, directions), project(draws, directions)
        return _scores(x, draws, self, sliced_distance(self.beta, size))


def _scores(
    x: tf.Tensor, draws: tf.Tensor, options: EnergyScore, distance: Distance
) -> tf.Tensor:
    """Distances to the row, less half of those between draws, [N]."""
    own = draws if draws.shape.rank > x.shape.rank else draws[:, tf.newaxis]
    toward = tf.reduce_mean(distance(own - x), axis=0)
    if options.estimator == "band" or draws.shape[0] == 2:
        return toward - 0.5 * tf.reduce_mean(distance(draws[1:] - draws[:-1]), axis=0)
    count = tf.cast(tf.shape(draws)[0], x.dtype)
    between = tf.reduce_sum(distance(draws - draws[:, tf.newaxis]), axis=[0, 1])
    return toward - 0.5 * between / (count * (count - 1))


def _scores_of_shared(
    x: tf.Tensor, draws: tf.Tensor, options: EnergyScore
) -> tf.Tensor:
    """The same of [N, D] and [m, D], whose pairs are many."""
    toward = tf.reduce_mean(pairwise_distance(draws, x, options.beta), axis=0)
    if options.estimator == "fair":
        return toward - 0.5 * mean_between(draws, options.beta)
    distance = block_distance(options.beta, (draws.shape[-1],))
    return toward - 0.5 * tf.reduce_mean(distance(draws[1:] - draws[:-1]))


def _check(options: EnergyScore) -> None:
    if not 0 < options.beta < 2:
        why = ""
        if options.beta == 2:
            why = " With 2 the score compares means alone, and any spread is as good."
        raise ValueError(
            f"beta must be above 0 and below 2, received {options.beta}.{why}"
        )
    if options.estimator not in ("fair", "band"):
        raise ValueError(
            f"estimator must be 'fair' or 'band', received {options.estimator!r}."
        )
    if options.draws is not None and options.draws < 2:
        raise ValueError(
            f"draws must be at least 2, received {options.draws}: one draw has no "
            "distance to another."
        )
    kinds = ("projections", "blocks", "patch", "teacher_forcing")
    given = [name for name in kinds if getattr(options, name)]
    if len(given) > 1:
        raise ValueError(
            f"{' and '.join(given)} are different distances: give one of them."
        )
