"""Molecules: how many atoms, of which kinds, and where; held-out bound and samples.

    python -m tests.benchmarks.molecules [--set CCO] [--rows 4000] [--epochs 60]
        [--likelihood 0] [--feature-epochs 400] [--width 32] [--draws 500] [--seed 0]

`--set g2`: the G2 molecules of two atoms or more at rest, a tenth of them held out;
each of them is a molecule of its own. Any other set is a SMILES: so many conformations
at 600 K by RDKit's MMFF94, the last tenth of them, in time, held out.

`NodeFeatures` over a coupling flow, Adam 1e-3; `equivariant_flow` of two layers by
orbit matching, batch 128, Adam 2e-3 falling to 0 along a cosine, the weights' average
counting (momentum 0.99), then `--likelihood` epochs at half that rate. Nats a molecule
on held-out rows beside those of a normal density of one scale, the start.

Bonds are read from distances: two atoms are bound where these are below 1.3 times the
sum of their covalent radii, and clash below 0.7 times. Stable is a molecule where each
atom has as many bonds as in one of the rows of data of its element; connected, one
without a clash that is in one piece; "same graph", of a SMILES, one whose bonds are
those of the data, up to the order of equal atoms. The same of held-out rows beside.
"""

import argparse
import collections
import time

import keras
import numpy as np
from ase.data import covalent_radii
from scipy.sparse.csgraph import connected_components

from tfp_flows.architectures import coupling_flow, equivariant_flow
from tfp_flows.data import conformations, g2_molecules
from tfp_flows.distributions import NodeFeatures
from tfp_flows.models import FlowModel, MoleculeModel
from tfp_flows.objectives import FlowMatching

BATCH = 128


def atoms_of(x, h, elements):
    """Atomic numbers and positions of one row, without places that are empty."""
    places = h.reshape(len(x), -1)
    present = places.any(axis=-1)
    return np.array(elements)[places[present].argmax(axis=-1)], x[present]


def bonds(numbers, x):
    """Which atoms are bound, [M, M], and whether two clash."""
    reach = covalent_radii[numbers][:, None] + covalent_radii[numbers]
    distance = np.linalg.norm(x[:, None] - x, axis=-1) + 1e3 * np.eye(len(x))
    return distance < 1.3 * reach, bool((distance < 0.7 * reach).any())


def graph(numbers, bound):
    """What does not depend on the order of atoms: each with its neighbors' elements."""
    return tuple(
        sorted(
            (z, tuple(sorted(numbers[row])))
            for z, row in zip(numbers, bound, strict=True)
        )
    )


def valences(numbers, bound):
    """Element and number of bonds of each atom."""
    return list(zip(numbers.tolist(), bound.sum(axis=1).tolist(), strict=True))


def table(name, rows, known, graphs):
    found = collections.Counter()
    for numbers, x in rows:
        bound, clash = bonds(numbers, x)
        pieces = connected_components(bound)[0]
        whole = not clash and pieces == 1
        fits = [pair in known for pair in valences(numbers, bound)]
        found["atoms"] += len(numbers)
        found["stable atoms"] += sum(fits)
        found["connected"] += whole
        found["stable"] += whole and all(fits)
        found["same graph"] += not clash and graph(numbers, bound) in graphs
    shares = [f"stable atoms {found.pop('stable atoms') / found.pop('atoms'):6.1%}"]
    for key in ("connected", "stable", "same graph"):
        shares.append(f"{key} {found[key] / len(rows):6.1%}")
    print(f"{name:<12} {'  '.join(shares)}  of {len(rows)}")


def train(model, rows, epochs, rate, momentum=None):
    start = time.perf_counter()
    if epochs:
        steps = epochs * -(-len(rows[0]) // BATCH)
        schedule = keras.optimizers.schedules.CosineDecay(rate, steps)
        average = {} if momentum is None else {"ema_momentum": momentum}
        optimizer = keras.optimizers.Adam(
            schedule, use_ema=momentum is not None, **average
        )
        model.compile(optimizer, jit_compile=False)
        model.fit(*rows, epochs=epochs, batch_size=BATCH, verbose=0)
        if momentum is not None:
            optimizer.finalize_variable_values(model.trainable_variables)
    return time.perf_counter() - start


def shown(name, values):
    error = np.std(values) / np.sqrt(len(values))
    print(f"{name:<44} {np.mean(values):10.3f} ± {error:.3f}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--set", default="CCO", dest="name")
    for name, value in {
        "rows": 4000,
        "epochs": 60,
        "likelihood": 0,
        "feature-epochs": 400,
        "width": 32,
        "draws": 500,
        "seed": 0,
    }.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    args = parser.parse_args()
    keras.utils.set_random_seed(args.seed)
    is_g2 = args.name == "g2"
    data = g2_molecules() if is_g2 else conformations(args.name, args.rows)
    count, places, _ = data.positions.shape
    kinds = len(data.elements)
    order = np.random.default_rng(0).permutation(count) if is_g2 else np.arange(count)
    held_out = order[-(count // 10) :]
    kept = order[: -(count // 10)]
    x, h = (a.astype("float32") for a in (data.positions, data.features))
    sizes = {int(row.sum()) for row in h}
    flow = coupling_flow(
        places * kinds,
        context_size=1 if len(sizes) > 1 else None,
        num_layers=4,
        hidden_sizes=(64,),
        transform="affine",
        seed=args.seed,
    )
    features = FlowModel(NodeFeatures(flow, places, kinds, num_samples=8))
    positions = FlowModel(
        equivariant_flow(
            *(places, 3),
            node_features=kinds,
            hidden_size=args.width,
            seed=args.seed,
        )
    )
    model = MoleculeModel(features, positions)
    positions.adapt(x[kept], h[kept])
    start = positions.log_prob(x[held_out], h[held_out])
    seconds = train(features, (h[kept],), args.feature_epochs, 1e-3)
    print(f"{args.name}: {len(kept)} + {len(held_out)} rows of up to {places} atoms")
    print(f"kinds: {seconds:.0f} s", flush=True)
    positions.objective = FlowMatching(coupling="orbit")
    seconds = train(positions, (x[kept], h[kept]), args.epochs, 2e-3, 0.99)
    print(f"positions, matching: {seconds:.0f} s", flush=True)
    positions = FlowModel(positions.distribution)
    seconds = train(positions, (x[kept], h[kept]), args.likelihood, 1e-3)
    print(f"positions, likelihood: {seconds:.0f} s", flush=True)
    model = MoleculeModel(features, positions)
    shown("log p(x | h), one scale, held out", start)
    for name, rows in (("training", kept[:200]), ("held out", held_out)):
        each = positions.log_prob(x[rows], h[rows])
        shown(f"log p(x | h), {name}", each)
        shown(f"log p(M) p(h | M), bound, {name}", features.log_prob(h[rows]))
        shown(f"log p(x, h, M), bound, {name}", model.log_prob(x[rows], h[rows]))
    seen = [atoms_of(x[i], h[i], data.elements) for i in kept]
    known, graphs = set(), set()
    for numbers, at in seen:
        bound, _ = bonds(numbers, at)
        known |= set(valences(numbers, bound))
        graphs.add(graph(numbers, bound))
    given = held_out[np.arange(args.draws) % len(held_out)]
    drawn = positions.sample(1, h[given], seed=1)[0].numpy()
    whole, kinds_drawn = (a.numpy() for a in model.sample(args.draws, seed=1))
    for name, rows in (
        ("held out", (x[held_out], h[held_out])),
        ("given kinds", (drawn, h[given])),
        ("whole", (whole, kinds_drawn)),
    ):
        each = [atoms_of(*row, data.elements) for row in zip(*rows, strict=True)]
        table(name, each, known, graphs)


if __name__ == "__main__":
    main()
