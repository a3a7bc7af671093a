"""Alanine dipeptide in vacuum at 600 K: a flow of its shapes, weighted by its energy.

    python -m tests.benchmarks.alanine [--route internal] [--rows 200000] [--epochs 14]
        [--layers 8] [--width 128] [--batch 512] [--rate 2e-3] [--draws 200000]
        [--seed 0] [--keep FOLDER]

Needs OpenMM, the extra `alanine`. Two trajectories of 20 ns, a frame every 0.1 ps: the
first is trained on, its last tenth held out, the second is what is compared with.

`--route internal`: `InternalCoordinates`, `Bounded` and a spline `coupling_flow`, by
likelihood, the hydrogens of each methyl taken in turn. `--route equivariant`:
`equivariant_flow` of two layers by orbit matching, whose kinds are atoms that can
change places, the hydrogens of a methyl. It knows no hands: half of its draws are
mirror images, which have the same energy and are mirrored back for φ. Adam, its rate
falling along a cosine, and the weights' average.

Nats a row of held-out frames; of draws of the model, weighted for the energy, effective
sample size, tail and log Z; 2-Wasserstein distance of energies (kT) to those of the
second trajectory, of draws as they are and weighted; free energy along φ in 36 bins
against it, where it has more than 100 frames.
"""

import argparse
import pathlib
import time

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

from tfp_flows.architectures import coupling_flow, equivariant_flow
from tfp_flows.bijectors import Bounded, InternalCoordinates
from tfp_flows.energies import AlanineDipeptide
from tfp_flows.estimation.importance import WeightedDraws
from tfp_flows.models import FlowModel, reweight
from tfp_flows.objectives import FlowMatching

BINS, FEWEST = 36, 100
METHYLS = (0, 2, 3), (11, 12, 13), (19, 20, 21)


def frames(molecule, count, seed, folder):
    """Of a trajectory, from the folder where it is kept, if any."""
    file = pathlib.Path(folder or "") / f"alanine_{seed}_{count}.npy"
    if folder and file.exists():
        return np.load(file)
    x = molecule.sample(count, seed=seed)
    if folder:
        np.save(file, x)
    return x


def internal_flow(options):
    shapes = InternalCoordinates(AlanineDipeptide.z_matrix)
    flow = coupling_flow(
        shapes.size,
        num_layers=options.layers,
        hidden_sizes=(options.width, options.width),
        seed=options.seed,
    )
    layers = [tfb.Invert(shapes), tfb.Invert(Bounded(*shapes.ends)), flow.bijector]
    return tfd.TransformedDistribution(flow.distribution, tfb.Chain(layers))


class OfKinds:
    """A flow of positions given the kinds of atoms, of this one molecule."""

    def __init__(self, options):
        kinds = np.arange(len(AlanineDipeptide.z_matrix))
        for methyl in METHYLS:
            kinds[list(methyl)] = methyl[0]
        one_hot = (kinds[:, None] == np.unique(kinds)).astype("float32")
        self.kinds = one_hot.reshape(1, -1)
        flow = equivariant_flow(
            *(len(kinds), 3),
            node_features=one_hot.shape[1],
            hidden_size=options.width,
            seed=options.seed,
        )
        self.model = FlowModel(flow, objective=FlowMatching(coupling="orbit"))

    def sample(self, count, seed):
        return self.model.sample(1, self.given(count), seed=seed)[0]

    def log_prob(self, x):
        return self.model.log_prob(x, self.given(len(x)))

    def given(self, count):
        return np.repeat(self.kinds, count, axis=0)


def batches(rows, options):
    """Of rows in a new order each time, their methyls turned by thirds of a circle."""
    orders = [np.arange(rows.shape[1])]
    for methyl in METHYLS:
        orders = [order.copy() for order in orders for _ in methyl]
        for i, order in enumerate(orders):
            order[list(methyl)] = np.roll(order[list(methyl)], i)
    orders = tf.constant(np.stack(orders))

    def turned(x):
        which = tf.random.uniform([], maxval=len(orders), dtype=tf.int32)
        return tf.gather(x, orders[which], axis=1)

    source = tf.data.Dataset.from_tensor_slices(rows)
    source = source.shuffle(len(rows), seed=options.seed).batch(options.batch)
    return source.map(turned)


def train(model, rows, options):
    """Seconds."""
    count = len(rows[0]) if isinstance(rows, tuple) else len(rows)
    steps = options.epochs * -(-count // options.batch)
    optimizer = keras.optimizers.Adam(
        keras.optimizers.schedules.CosineDecay(options.rate, steps),
        global_clipnorm=10.0,
        use_ema=True,
        ema_momentum=0.999,
    )
    model.compile(optimizer, jit_compile=False, steps_per_execution=20)
    start = time.perf_counter()
    if isinstance(rows, tuple):
        x, y = rows
        model.fit(x, y, options.batch, epochs=options.epochs, verbose=2)
    else:
        model.fit(batches(rows, options), epochs=options.epochs, verbose=2)
    optimizer.finalize_variable_values(model.trainable_variables)
    return time.perf_counter() - start


def free_energy(phi, shares):
    """−log of the share of each bin of φ."""
    edges = np.linspace(-np.pi, np.pi, BINS + 1)
    with np.errstate(divide="ignore"):
        return -np.log(np.histogram(phi, edges, weights=shares)[0])


def energy_distance(first, second, shares):
    """2-Wasserstein distance of energies, those of `first` with shares."""
    levels = (np.arange(10_000) + 0.5) / 10_000
    order = np.argsort(first)
    found = np.interp(levels, np.cumsum(shares[order]), first[order])
    return np.sqrt(np.mean((found - np.quantile(second, levels)) ** 2))


def report(molecule, weighted, reference):
    x = np.asarray(weighted.draws, "float64")
    hands = molecule.chirality(x) > 0
    for count in sorted({min(10_000, len(x)), len(x)}):
        print(WeightedDraws(weighted.draws[:count], weighted.log_weights[:count]))
    print(
        f"L: {hands.mean():.2%} of the draws, {weighted.shares[hands].sum():.2%} of Z"
    )
    each = AlanineDipeptide(hand="both").energy(x)
    target, even = molecule.energy(reference), np.full(len(x), 1 / len(x))
    for name, by in (("as they are", even), ("weighted", weighted.shares)):
        print(f"energy W2, {name}: {energy_distance(each, target, by):.3f} kT")
    phi = np.where(hands, 1, -1) * molecule.backbone(x)[:, 0]
    of_reference = molecule.backbone(reference)[:, 0]
    expected = free_energy(of_reference, np.full(len(reference), 1 / len(reference)))
    known = np.exp(-expected) * len(reference) > FEWEST
    for name, by in (("as they are", even), ("weighted", weighted.shares)):
        gap = np.abs(free_energy(phi, by)[known] - expected[known])
        print(f"φ, {name}: largest |ΔF| {gap.max():.3f} kT of {known.sum()} bins")
        print("  ", gap.round(2))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "--route", default="internal", choices=["internal", "equivariant"]
    )
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--epochs", type=int, default=14)
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--draws", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", help="folder for frames between runs")
    options = parser.parse_args()
    keras.utils.set_random_seed(options.seed)
    molecule = AlanineDipeptide()
    x = frames(molecule, options.rows, 0, options.keep).astype("float32")
    held_out, rows = x[-(len(x) // 10) :], x[: -(len(x) // 10)]
    if options.route == "internal":
        draw = model = FlowModel(internal_flow(options))
        seconds = train(model, rows, options)
    else:
        # Of both hands.
        molecule = AlanineDipeptide(hand="both")
        draw = OfKinds(options)
        model = draw.model
        seconds = train(model, (rows, draw.given(len(rows))), options)
    if options.keep:
        name = f"alanine_{options.route}.weights.h5"
        model.save_weights(pathlib.Path(options.keep) / name)
    # A density of frames turned at will has its volume of turns, another constant.
    nats = draw.log_prob(held_out[:: max(1, len(held_out) // options.draws)])
    print(f"{seconds:.0f} s; {-np.mean(nats):.3f} nats held out", flush=True)
    reference = frames(molecule, options.rows, 1, options.keep)
    weighted = reweight(
        draw, molecule.energy, options.draws, batch_size=1_000, verbose=0
    )
    report(molecule, weighted, reference)


if __name__ == "__main__":
    main()
