"""Gaussian, flow and boosted posteriors of an autoencoder on binarized MNIST-5k.

    python -m tests.benchmarks.vae_posterior [--seeds 0 1 2] [--epochs 60]

4,500 digits to train on, 500 held out, pixels thresholded, the same networks and the
same number of training steps for all: the epochs of a boosted posterior are divided
among its stages. "flow" has K couplings, "boosted" C components of K couplings each,
"deep flow" C · K couplings, so the parameters of all components of "boosted";
"continuous" is one velocity of two hidden layers of twice that width, T = 0.5, with the
calls of a draw at tolerance 1e-5; "straight" has `TrajectoryPolynomial` of weight
--alpha. −ELBO (20 draws a row) and the importance-weighted
−log p(x), nats an image, of the held-out rows. With --patience each stage stops where
the bound of 500 further rows does not improve, and goes back to its best epoch.
"""

import argparse
import statistics
import time

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import bijectors as tfb

from tfp_flows.bijectors import Continuous, Coupling
from tfp_flows.data.builtin import load_builtin
from tfp_flows.models import (
    BoostedPosterior,
    FlowPosterior,
    GaussianPosterior,
    VariationalAutoencoder,
)
from tfp_flows.models.variational.arguments import context_size_of
from tfp_flows.networks import VelocityMLP, dense_decoder, dense_encoder
from tfp_flows.objectives import TrajectoryPolynomial
from tfp_flows.ode import AdaptiveSteps, Solver

HELD_OUT = 500
PIXELS = 784


def digits(seed):
    """Zeros and ones; which rows are held out depends on the seed."""
    images = (load_builtin("mnist5k").values > 127).astype("float32")
    images = images[np.random.default_rng(seed).permutation(len(images))]
    return images[:-HELD_OUT], images[-HELD_OUT:]


def couplings(arguments, count, offset, seed):
    """A chain of couplings; the offset makes components differ in their masks."""
    layers = [
        Coupling(
            arguments.latent,
            flip=(index + offset) % 2 == 1,
            hidden_sizes=(arguments.flow_width,),
            activation="tanh",
            seed=1000 * seed + 100 * offset + index,
            name=f"coupling_{offset}_{index}",
        )
        for index in range(count)
    ]
    return tfb.Chain(layers)


def continuous(arguments, seed):
    """A velocity that sees as many numbers of the encoder as z has."""
    network = VelocityMLP(
        arguments.latent,
        hidden_sizes=(2 * arguments.flow_width,) * 2,
        context_size=arguments.latent,
        seed=seed,
    )
    loose = Solver(steps=AdaptiveSteps(1e-3, 1e-3, "batch"))
    return Continuous(network, end_time=0.5, training_solver=loose)


def posteriors(arguments, seed):
    """Name → posterior."""
    steps, components = arguments.steps, arguments.components

    def component(index):
        return couplings(arguments, steps, index, seed)

    return {
        "gaussian": GaussianPosterior(),
        "flow": FlowPosterior(component(0)),
        "deep flow": FlowPosterior(couplings(arguments, steps * components, 0, seed)),
        "continuous": FlowPosterior(continuous(arguments, seed)),
        "continuous, straight": FlowPosterior(continuous(arguments, seed)),
        "boosted": BoostedPosterior(component, components),
        "boosted, uniform": BoostedPosterior(component, components, weights="uniform"),
    }


def calls_of_a_draw(model, x):
    """Mean calls of a draw of z and its density, each row with its own steps."""
    (layer,) = model.continuous_layers
    encode = model.encoder(tf.constant(x))
    loc, scale, context = tf.split(encode, [model.latent_size] * 3, axis=-1)
    noise = tf.random.stateless_normal(tf.shape(loc), [0, 0])
    start = loc + tf.nn.softplus(scale) * noise
    return float(np.mean(layer.path(start, context=context).statistics.calls))


def measure(posterior, train, held_out, arguments, seed, penalties=()):
    """Trains; returns −ELBO, −log p(x), calls, the weights, epochs and seconds."""
    keras.utils.set_random_seed(seed)
    latent, widths = arguments.latent, (arguments.width,) * 2
    model = VariationalAutoencoder(
        dense_encoder(
            PIXELS,
            latent,
            context_size=context_size_of(posterior.bijectors),
            hidden_sizes=widths,
            seed=seed,
        ),
        dense_decoder(latent, PIXELS, hidden_sizes=widths, seed=seed + 10),
        posterior=posterior,
        penalties=penalties,
    )
    model.compile(keras.optimizers.Adam(1e-3))
    epochs = arguments.epochs // model.num_components
    start = time.perf_counter()
    options = {}
    if arguments.patience:
        stop = keras.callbacks.EarlyStopping(
            patience=arguments.patience, restore_best_weights=True
        )
        options = {"callbacks": [stop], "validation_data": train[-HELD_OUT:]}
        train = train[:-HELD_OUT]
    annealing = arguments.annealing or max(epochs // 4, 1)
    history = model.fit(
        train,
        epochs=epochs,
        annealing_epochs=annealing,
        batch_size=100,
        verbose=0,
        **options,
    )
    seconds = time.perf_counter() - start
    bound = -float(np.mean(model.elbo(held_out, 20, seed=0)))
    evidence = -float(np.mean(model.log_prob(held_out, arguments.samples, seed=0)))
    calls = calls_of_a_draw(model, held_out) if model.continuous_layers else 0.0
    weights = np.round(model.mixture_weights.numpy(), 3)
    return bound, evidence, calls, weights, len(history.epoch), seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--components", type=int, default=3)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--latent", type=int, default=20)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--flow-width", type=int, default=64)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--annealing", type=int, help="epochs; default a quarter")
    parser.add_argument("--patience", type=int, help="stop early, on 500 other rows")
    parser.add_argument("--alpha", type=float, default=5.0)
    parser.add_argument("--only", nargs="+", help="names of posteriors")
    arguments = parser.parse_args()
    found = {}
    for seed in arguments.seeds:
        train, held_out = digits(seed)
        for name, posterior in posteriors(arguments, seed).items():
            if arguments.only and name not in arguments.only:
                continue
            straight = [TrajectoryPolynomial(arguments.alpha)]
            penalties = straight if "straight" in name else []
            result = measure(posterior, train, held_out, arguments, seed, penalties)
            bound, evidence, calls, weights, epochs, seconds = result
            found.setdefault(name, []).append((bound, evidence, calls))
            print(
                f"seed {seed} {name:20} −ELBO {bound:7.2f}  −log p {evidence:7.2f}  "
                f"calls {calls:5.1f}  weights {weights}  {epochs:3} epochs "
                f"{seconds:4.0f} s",
                flush=True,
            )
    for name, rows in found.items():
        columns = [
            f"{statistics.mean(column):7.2f} ± {statistics.pstdev(column):4.2f}"
            for column in zip(*rows, strict=True)
        ]
        print(f"{name:20} −ELBO {columns[0]}  −log p {columns[1]}  calls {columns[2]}")


if __name__ == "__main__":
    main()
