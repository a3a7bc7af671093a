"""Alanine dipeptide in vacuum at 600 K: a flow of its shapes, weighted by its energy.

    python -m tests.benchmarks.alanine [--route internal] [--rows 180000] [--epochs 60]
        [--layers 8] [--width 128] [--batch 512] [--rate 1e-3] [--draws 10000]
        [--seed 0] [--keep FOLDER]

Needs OpenMM, the extra `alanine`. Two trajectories of 20 ns, a frame every 0.1 ps: the
first is trained on, its last tenth held out, the second is what is compared with.

`--route internal`: `InternalCoordinates`, `Bounded` and a spline `coupling_flow`, by
likelihood. `--route equivariant`: `equivariant_flow` of two layers by orbit matching,
whose kinds are atoms that can change places, the hydrogens of a methyl. It knows no
hands: half of its draws are mirror images, which have the same energy and are mirrored
back. Adam, its rate falling along a cosine, and the weights' average.

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
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

from tfp_flows.architectures import coupling_flow
from tfp_flows.bijectors import Bounded, InternalCoordinates
from tfp_flows.energies import AlanineDipeptide
from tfp_flows.models import FlowModel, reweight

BINS, FEWEST = 36, 100


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


def train(model, rows, options, context=()):
    """Seconds."""
    keras.utils.set_random_seed(options.seed)
    steps = options.epochs * -(-len(rows) // options.batch)
    optimizer = keras.optimizers.Adam(
        keras.optimizers.schedules.CosineDecay(options.rate, steps),
        global_clipnorm=10.0,
        use_ema=True,
        ema_momentum=0.999,
    )
    model.compile(optimizer, jit_compile=False, steps_per_execution=20)
    start = time.perf_counter()
    model.fit(
        *(rows, *context), epochs=options.epochs, batch_size=options.batch, verbose=2
    )
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
    print(weighted)
    print(
        f"L: {hands.mean():.2%} of the draws, {weighted.shares[hands].sum():.2%} of Z"
    )
    counts, shares = weighted.ess_curve(5)
    print("ESS of the first", dict(zip(counts.tolist(), shares.round(3), strict=True)))
    each = AlanineDipeptide(hand="both").energy(x)
    target, even = molecule.energy(reference), np.full(len(x), 1 / len(x))
    for name, by in (("as they are", even), ("weighted", weighted.shares)):
        print(f"energy W2, {name}: {energy_distance(each, target, by):.3f} kT")
    phi = np.where(hands, 1, -1) * molecule.backbone(x)[:, 0]
    of_reference = molecule.backbone(reference)[:, 0]
    expected = free_energy(of_reference, np.full(len(reference), 1 / len(reference)))
    known = np.exp(-expected) * len(reference) > FEWEST
    for name, by in (("as they are", even), ("weighted", weighted.shares)):
        gap = np.abs(free_energy(phi, by) - expected)[known]
        print(f"φ, {name}: largest |ΔF| {gap.max():.3f} kT of {known.sum()} bins")
        print("  ", gap.round(2))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--route", default="internal")
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--draws", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", help="folder for frames between runs")
    options = parser.parse_args()
    molecule = AlanineDipeptide()
    x = frames(molecule, options.rows, 0, options.keep).astype("float32")
    held_out, rows = x[-(len(x) // 10) :], x[: -(len(x) // 10)]
    model = FlowModel(internal_flow(options))
    seconds = train(model, rows, options)
    if options.keep:
        model.save_weights(pathlib.Path(options.keep) / "alanine.weights.h5")
    nats = model.log_prob(held_out[::10])
    print(f"{seconds:.0f} s; {-np.mean(nats):.3f} nats held out", flush=True)
    reference = frames(molecule, options.rows, 1, options.keep)
    weighted = reweight(model, molecule.energy, options.draws, verbose=0)
    report(molecule, weighted, reference)


if __name__ == "__main__":
    main()
