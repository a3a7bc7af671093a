"""Objectives and penalties, each with a model that trains by it."""

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tests.cases.case import Case
from tfp_flows import bijectors, ode
from tfp_flows.architectures import (
    assembly,
    continuous_flow,
    coupling_flow,
    semi_autoregressive_flow,
)
from tfp_flows.models import BoostedPosterior, FlowModel, VariationalAutoencoder
from tfp_flows.networks import dense_decoder, dense_encoder
from tfp_flows.objectives import (
    BoostedBound,
    EnergyScore,
    FlowMatching,
    FromFields,
    JacobianNorm,
    KineticEnergy,
    MixtureLikelihood,
    NegativeLogLikelihood,
    RandomEndTime,
    Reconstruction,
    Terms,
    TrajectoryPolynomial,
)

tfb, tfd = tfp.bijectors, tfp.distributions

ROWS = 32


@keras.saving.register_keras_serializable(package="tests")
@dataclasses.dataclass(frozen=True)
class ScoreOfDraws(FromFields):
    """E‖Y − x‖ − ½ E‖Y − Y′‖ over draws of the model: trains without a density."""

    needs: ClassVar = frozenset({"samples", "seed"})

    num_samples: int = 8

    def __call__(self, evaluation, *, seed, training):
        y = evaluation.samples(self.num_samples, seed)
        to_data = tf.norm(y[:, None] - evaluation.x, axis=-1)
        apart = tf.norm(
            y[: self.num_samples // 2] - y[self.num_samples // 2 :], axis=-1
        )
        spread = tf.reduce_mean(apart)
        return Terms(tf.reduce_mean(to_data, axis=0) - 0.5 * spread, {"spread": spread})


@dataclasses.dataclass(frozen=True)
class ObjectiveCase(Case):
    """An objective, and how a model trains by it.

    Attributes:
        model: (objective, dtype) → a model.
        has_known: whether rows come with a known column.
        data: generator → rows.
    """

    model: Callable[[Any, str], keras.Model] | None = None
    has_known: bool = False
    data: Callable[[np.random.Generator], np.ndarray] = lambda rng: rng.normal(
        size=[ROWS, 2]
    )

    def inputs(self, dtype):
        rng = np.random.default_rng(0)
        x = self.data(rng).astype(dtype)
        return (x, rng.normal(size=ROWS).astype(dtype)) if self.has_known else x


def flow(objective, dtype):
    distribution = coupling_flow(
        2,
        num_layers=2,
        hidden_sizes=(8,),
        transform="affine",
        base=assembly.standard_normal(2, dtype),
        seed=1,
        dtype=dtype,
    )
    return FlowModel(distribution, objective=objective)


def stock(objective, dtype):
    """Nothing of ours in it."""
    loc = tf.Variable([3.0, -2.0], dtype=dtype, name="loc")
    factor = tfp.util.TransformedVariable(
        tf.eye(2, dtype=dtype), tfb.FillTriangular(), name="factor"
    )
    return FlowModel(tfd.MultivariateNormalTriL(loc, factor), objective=objective)


def self_normalizing(penalty, dtype):
    layer = bijectors.SelfNormalizingDense(2, dtype=dtype)
    base = assembly.standard_normal(2, dtype)
    flow = tfd.TransformedDistribution(base, tfb.Invert(layer))
    return FlowModel(flow, penalties=[penalty])


def continuous(objective=None, dtype="float32", penalties=()):
    distribution = continuous_flow(
        2,
        hidden_sizes=(4, 4),
        solver=ode.Solver("rk4", ode.FixedSteps(4)),
        base=assembly.standard_normal(2, dtype),
        seed=1,
        dtype=dtype,
    )
    model = FlowModel(distribution, objective=objective, penalties=penalties)
    # Away from the start, where paths are points.
    last = model.continuous_layers[0].network.trainable_variables[-3]
    last.assign(np.eye(4, 2))
    return model


def penalized(penalty, dtype):
    return continuous(dtype=dtype, penalties=[penalty])


def semi_autoregressive(objective, dtype):
    small = {"num_layers": 1, "num_features": 4, "hidden_sizes": (8,), "seed": 1}
    flow = semi_autoregressive_flow([1, 1], transform="affine", dtype=dtype, **small)
    model = FlowModel(flow, objective=objective)
    # Away from the start, where the last layers are zero.
    for variable in model.trainable_variables:
        variable.assign_add(tf.fill(variable.shape, tf.cast(0.1, dtype)))
    return model


def autoencoder(objective, dtype):
    small = {"hidden_sizes": (8,), "seed": 1, "dtype": dtype}

    def component(index):
        return bijectors.Coupling(
            2, flip=index % 2 == 1, hidden_sizes=(8,), seed=index, dtype=dtype
        )

    model = VariationalAutoencoder(
        dense_encoder((3,), 2, **small),
        dense_decoder(2, (3,), **small),
        posterior=BoostedPosterior(component, 1),
    )
    assert model.objective == objective
    return model


AT_PLACES: dict[str, str] = {}
IN_PENALTY = {
    "the_seed_decides": "the loss that is shown is the likelihood; what is drawn is in "
    "the gradient of a penalty"
}

CASES = [
    ObjectiveCase("NegativeLogLikelihood", NegativeLogLikelihood, model=flow),
    ObjectiveCase(
        "MixtureLikelihood",
        lambda: MixtureLikelihood(0.3),
        model=flow,
        has_known=True,
        exempt={
            "rows_are_weighted_as_in_keras": "the share r of the new "
            "component is found for the whole batch, whatever its weights"
        },
    ),
    ObjectiveCase(
        "Reconstruction",
        lambda: Reconstruction(trains="both"),
        model=self_normalizing,
        exempt=IN_PENALTY,
    ),
    ObjectiveCase(
        "BoostedBound",
        BoostedBound,
        model=autoencoder,
        data=lambda rng: rng.integers(0, 2, size=[ROWS, 3]),
        exempt={
            "it_is_saved_by_its_fields": "it is no part of a file: the model makes it "
            "anew from its posterior"
        },
    ),
    ObjectiveCase("ScoreOfDraws", ScoreOfDraws, model=stock),
    ObjectiveCase("EnergyScore", EnergyScore, model=stock),
    ObjectiveCase(
        "EnergyScore[projections]", lambda: EnergyScore(projections=3), model=stock
    ),
    ObjectiveCase(
        "EnergyScore[teacher forcing]",
        lambda: EnergyScore(beta=0.5, teacher_forcing=True),
        model=semi_autoregressive,
    ),
    ObjectiveCase("FlowMatching", FlowMatching, model=continuous, exempt=AT_PLACES),
    ObjectiveCase(
        "FlowMatching[optimal]",
        lambda: FlowMatching(path="gaussian", coupling="optimal"),
        model=continuous,
        exempt=AT_PLACES
        | {"a_step_with_xla_is_a_step_without": "the assignment is SciPy's"},
    ),
    ObjectiveCase(
        "TrajectoryPolynomial", TrajectoryPolynomial, model=penalized, exempt=IN_PENALTY
    ),
    ObjectiveCase("KineticEnergy", KineticEnergy, model=penalized),
    ObjectiveCase("JacobianNorm", JacobianNorm, model=penalized, exempt=IN_PENALTY),
    ObjectiveCase("RandomEndTime", RandomEndTime, model=penalized),
]
