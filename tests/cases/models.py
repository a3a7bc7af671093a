"""Distributions that a model is made of: ours, stock TFP, and mixtures of both."""

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tests.cases.case import Case
from tfp_flows import architectures, bijectors, distributions, networks
from tfp_flows.distributions import Dequantized
from tfp_flows.energies import ENERGIES
from tfp_flows.models import (
    AlignFlow,
    BoostedFlow,
    BoostedPosterior,
    FlowModel,
    FlowPosterior,
    GaussianPosterior,
    VariationalAutoencoder,
    VariationalMixture,
)

tfb, tfd = tfp.bijectors, tfp.distributions

SMALL = {"hidden_sizes": (8, 8), "seed": 1}
# Two layers are traced three times as fast as the default of six.
TABLE = {"num_layers": 2, **SMALL}
PAIR = (2,)


def stock_variables():
    """tf.Variables and a TransformedVariable in stock TFP objects."""
    scale = tfp.util.TransformedVariable(tf.ones([2]), tfb.Softplus(), name="scale")
    base = tfd.MultivariateNormalDiag(tf.Variable([0.5, -0.5], name="loc"), scale)
    shift = tfb.Shift(tf.Variable([0.1, 0.2], name="shift"))
    return tfd.TransformedDistribution(base, tfb.Chain([shift, tfb.Scale(2.0)]))


def stock_network():
    """A Keras network, built at its first call, inside a stock bijector."""
    network = keras.Sequential(
        [keras.layers.Dense(8, activation="tanh"), keras.layers.Dense(1)]
    )
    coupling = tfb.RealNVP(1, bijector_fn=ShiftByNetwork(network))
    base = tfd.MultivariateNormalDiag(tf.zeros([2]), tf.ones([2]))
    return tfd.TransformedDistribution(base, tfb.Invert(coupling))


@keras.saving.register_keras_serializable(package="tests")
class ShiftByNetwork:
    """A bijector function that can be saved, unlike a closure."""

    def __init__(self, network):
        self.network = network

    def __call__(self, x, *args, **kwargs):
        return tfb.Shift(self.network(x))

    def get_config(self):
        return {"network": keras.saving.serialize_keras_object(self.network)}

    @classmethod
    def from_config(cls, config):
        return cls(keras.saving.deserialize_keras_object(config["network"]))


def closure():
    """A network that only the log-density's evaluation reveals."""
    network = keras.Sequential([keras.layers.Dense(4), keras.layers.Dense(2)])

    def shift_and_log_scale(x, *_, **__):
        return tf.split(network(x), 2, axis=-1)

    coupling = tfb.RealNVP(1, shift_and_log_scale_fn=shift_and_log_scale)
    base = tfd.MultivariateNormalDiag(tf.zeros([2]), tf.ones([2]))
    return tfd.TransformedDistribution(base, coupling)


def mixture():
    """A stock mixture, and a variable that stands at two places."""
    loc = tf.Variable(np.eye(2), dtype="float32", name="loc")
    return tfd.MixtureSameFamily(
        tfd.Categorical(logits=tf.Variable([0.1, 0.2], name="logits")),
        tfd.Independent(tfd.Normal(loc, tfp.util.DeferredTensor(loc, tfb.Exp())), 1),
    )


def copula():
    """Marginals and a dependence, all trainable."""
    marginals = tfd.Laplace(tf.Variable([0.1, 0.2]), tf.Variable([1.0, 2.0]))
    theta = tfp.util.TransformedVariable(2.0, tfb.Softplus(low=1.0), name="theta")
    return distributions.CopulaDistribution(
        distributions.GumbelCopula(theta, 2), marginals
    )


CASES = [
    Case(
        "affine",
        lambda: architectures.coupling_flow(2, transform="affine", **TABLE),
        PAIR,
    ),
    Case("spline", lambda: architectures.coupling_flow(2, **TABLE), PAIR),
    Case(
        "one column",
        lambda: architectures.coupling_flow(1, **TABLE),
        (1,),
        idle={
            f"linear_{layer}_{triangle}": "a 1 × 1 matrix has only its diagonal"
            for layer in range(2)
            for triangle in ("lower", "upper")
        },
    ),
    Case("autoregressive", lambda: architectures.autoregressive_flow(2, **TABLE), PAIR),
    Case(
        "conditional coupling",
        lambda: architectures.coupling_flow(2, context_size=2, **TABLE),
        PAIR,
        context_size=2,
    ),
    Case(
        "conditional autoregressive",
        lambda: architectures.autoregressive_flow(2, context_size=2, **TABLE),
        PAIR,
        context_size=2,
    ),
    Case(
        "glow",
        lambda: architectures.glow((4, 4, 1), steps_per_level=1, **SMALL),
        (4, 4, 1),
    ),
    Case(
        "conditional glow",
        lambda: architectures.glow(
            (4, 4, 1), context_size=2, steps_per_level=1, **SMALL
        ),
        (4, 4, 1),
        context_size=2,
    ),
    Case(
        "continuous",
        lambda: architectures.continuous_flow(2, **SMALL),
        PAIR,
    ),
    Case(
        "conditional continuous",
        lambda: architectures.continuous_flow(2, context_size=2, **SMALL),
        PAIR,
        context_size=2,
    ),
    Case(
        "atoms",
        # A mild velocity: what its solver leaves, each door in other steps, is below
        # what the laws allow.
        lambda: architectures.equivariant_flow(
            3, 2, node_features=2, hidden_size=8, coordinate_range=1.0, seed=1
        ),
        (3, 2),
        context_size=6,
    ),
    Case("fully connected", lambda: architectures.fully_connected_flow(2), PAIR),
    Case(
        "convolutional",
        lambda: architectures.convolutional_flow(
            (4, 4, 1), num_blocks=2, layers_per_block=1
        ),
        (4, 4, 1),
    ),
    Case(
        "self-normalizing glow",
        lambda: architectures.glow(
            (4, 4, 1), linear="self_normalizing", steps_per_level=1, **SMALL
        ),
        (4, 4, 1),
    ),
    Case(
        "dequantized",
        lambda: Dequantized(architectures.coupling_flow(2, **TABLE), [1.0, 0.0]),
        PAIR,
    ),
    Case(
        "every activation",
        lambda: tfd.TransformedDistribution(
            tfd.MultivariateNormalDiag(tf.zeros([2]), tf.ones([2])),
            tfb.Invert(
                tfb.Chain(
                    [
                        bijectors.SmoothLeakyReLU(),
                        bijectors.Linear(2, initial="rotation"),
                        bijectors.LeakyReLU(),
                        bijectors.ActNorm(2),
                        bijectors.MonotoneSpline(2),
                        bijectors.Permutation(2),
                        bijectors.Standardize(2),
                    ]
                )
            ),
        ),
        PAIR,
    ),
    Case("stock variables", stock_variables, PAIR),
    Case("stock network", stock_network, PAIR),
    Case(
        "closure",
        closure,
        PAIR,
        exempt={"whole_model_round_trip_is_bit_equal": "a file cannot hold a closure"},
    ),
    Case("mixture", mixture, PAIR),
    Case("copula", copula, PAIR),
]


SMALL_CONDITIONAL = Case(
    "small conditional",
    lambda: architectures.coupling_flow(
        2,
        num_layers=1,
        hidden_sizes=(4,),
        transform="affine",
        context_size=2,
        dtype="float64",
    ),
    PAIR,
    context_size=2,
)


@keras.saving.register_keras_serializable(package="tests")
def component(index):
    return architectures.coupling_flow(
        2, num_layers=2, hidden_sizes=(4,), transform="affine", seed=index
    )


def shift(index):
    return bijectors.Coupling(
        2, flip=index % 2 == 1, hidden_sizes=(4,), seed=index, name=f"shift_{index}"
    )


def autoencoder(posterior):
    small = {"hidden_sizes": (4,), "seed": 1}
    return VariationalAutoencoder(
        networks.dense_encoder((4,), 2, **small),
        networks.dense_decoder(2, (4,), **small),
        posterior=posterior,
    )


def energy_match():
    return VariationalMixture(ENERGIES["ring"], 2, BoostedPosterior(shift, 2))


# Whole models: how to make one, and the shape of the events it trains on, None where
# it trains on none.
MODELS = {
    "FlowModel": (lambda: FlowModel(component(0)), PAIR),
    "FlowModel[self-normalizing]": (
        lambda: FlowModel(architectures.fully_connected_flow(2)),
        PAIR,
    ),
    "AlignFlow": (
        lambda: AlignFlow.for_tables(
            "ab", 3, matching="least_squares", num_layers=1, hidden_sizes=(4,), seed=1
        ),
        (3,),
    ),
    "BoostedFlow": (lambda: BoostedFlow(component, 2), PAIR),
    "VariationalAutoencoder": (lambda: autoencoder(GaussianPosterior()), (4,)),
    "VariationalAutoencoder[flow]": (
        lambda: autoencoder(FlowPosterior(shift(0))),
        (4,),
    ),
    "VariationalAutoencoder[boosted]": (
        lambda: autoencoder(BoostedPosterior(shift, 2)),
        (4,),
    ),
    "VariationalMixture": (energy_match, None),
}
