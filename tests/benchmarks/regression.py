"""Distributional regression by the energy score, beside the package engression.

    python -m tests.benchmarks.regression --peer-python PYTHON
        [--sets magic square log] [--epochs 60] [--seeds 2]

The default network of engression, one hidden layer of 100 units and 100 noises, and an
`ImplicitDistribution` of two layers of 97 units and its default noise, which has as
many weights; Adam at a rate that falls from 3e-3 along a cosine (engression's after
each epoch), batch 512, two draws a row, equal epochs, one thread, no early stopping; an
epoch is one execution. "magic": its first column given the others. "square" and "log":
g(X + η), X uniform in [0, 2], η normal, g(u) = ½ max(u, 0)² and log(1 + max(u, 0)):
8,000 rows. Of held-out rows the energy score in standard deviations with its standard
error, the difference with that of the pairs, and what 90 % intervals of 199 draws hold;
of the generators also those of draws of the truth, whose intervals hold more than 90 %
of rows, for many rows are zero, and the scores for X in [2, 3], where no row was.
Milliseconds are of processor time a step, without tracing. PYTHON has engression and
PyTorch.
"""

import argparse
import pathlib
import subprocess
import tempfile
import time

import keras
import numpy as np

from tests.benchmarks.quality import load
from tfp_flows.diagnostics import interval_coverage, mean_and_standard_error
from tfp_flows.distributions import ImplicitDistribution
from tfp_flows.models import FlowModel
from tfp_flows.objectives import EnergyScore

PEER = pathlib.Path(__file__).with_name("engression_peer.py")
HIDDEN, BATCH, RATE, NUM_DRAWS = (97, 97), 512, 3e-3, 199
CURVES = {
    "square": lambda u: 0.5 * np.maximum(u, 0.0) ** 2,
    "log": lambda u: np.log1p(np.maximum(u, 0.0)),
}


def rows_of(name):
    """Targets and features to train on, to test on, and beyond them (or none)."""
    if name not in CURVES:
        train, _, test = load(name, copies=False)
        return [(part[:, :1], part[:, 1:]) for part in (train, test)]
    rng = np.random.default_rng(0)
    found = []
    for count, low, high in ((8_000, 0, 2), (2_000, 0, 2), (2_000, 2, 3)):
        c = rng.uniform(low, high, size=[count, 1])
        found.append((CURVES[name](c + rng.normal(size=c.shape)), c))
    return found


def ours(x, c, asked, seed, epochs):
    """Draws [S, N, D], parameters, and milliseconds of a step."""
    keras.utils.set_random_seed(seed)
    options = {"hidden_sizes": HIDDEN, "context_size": c.shape[1]}
    distribution = ImplicitDistribution(x.shape[1], seed=seed, **options)
    model = FlowModel(distribution, objective=EnergyScore())
    steps = -(-len(x) // BATCH)
    schedule = keras.optimizers.schedules.CosineDecay(RATE, epochs * steps)
    model.compile(keras.optimizers.Adam(schedule), steps_per_execution=steps)
    model.fit(x, c, epochs=2, batch_size=BATCH, verbose=0)
    start = time.process_time()
    model.fit(x, c, epochs=epochs - 2, batch_size=BATCH, verbose=0)
    spent = 1e3 * (time.process_time() - start) / ((epochs - 2) * steps)
    parameters = sum(int(np.prod(v.shape)) for v in model.trainable_variables)
    return model.sample(NUM_DRAWS, asked, seed=1).numpy(), parameters, spent


def truth(name, c):
    """Draws [S, N, 1] of a generator."""
    noise = np.random.default_rng(1).normal(size=[NUM_DRAWS, *c.shape])
    return CURVES[name](c + noise).astype("float32")


def theirs(python, x, c, asked, seed, epochs):
    """The same of engression, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        rows, draws = f"{folder}/rows.npz", f"{folder}/draws.npy"
        np.savez(rows, x=x, c=c, asked=asked)
        command = [python, str(PEER), rows, str(seed), str(epochs), draws]
        printed = subprocess.check_output(command, text=True).split()[-2:]
        return np.load(draws), int(printed[0]), float(printed[1])


def compare(name, epochs, seeds, python):
    (x, c), *parts = (
        tuple(part.astype("float32") for part in pair) for pair in rows_of(name)
    )
    asked = np.concatenate([own for _, own in parts])
    score = EnergyScore(scale=x.std(axis=0).tolist()).score
    rivals = {"ours": ours}
    if python:
        rivals["engression"] = lambda *words: theirs(python, *words)
    if name in CURVES:
        rivals["truth"] = lambda x, c, asked, *_: (truth(name, asked), 0, 0.0)
    scores, coverage, facts = {}, {}, {}
    for rival, train in rivals.items():
        runs = [train(x, c, asked, seed, epochs) for seed in range(seeds)]
        cuts = np.cumsum([len(part[0]) for part in parts])[:-1]
        split = [np.split(draws, cuts, axis=1) for draws, *_ in runs]
        for place, (y, _) in enumerate(parts):
            key = rival, place
            scores[key] = np.mean([score(y, s[place]) for s in split], axis=0)
            held = [interval_coverage(y, s[place], 0.9).share[0] for s in split]
            coverage[key] = np.mean(held)
        facts[rival] = runs[0][1], np.median([spent for *_, spent in runs])
    for place, where in enumerate(("held out", "beyond")[: len(parts)]):
        for rival in rivals:
            mean, error = mean_and_standard_error(scores[rival, place])
            line = f"{name} {where:<9}{rival:<11} energy score {mean:.4f} ± {error:.4f}"
            line += f", 90 % hold {coverage[rival, place]:.3f}"
            line += f", {facts[rival][0]:,} parameters, {facts[rival][1]:.2f} ms a step"
            print(line, flush=True)
        if python:
            gap = scores["ours", place] - scores["engression", place]
            mean, error = mean_and_standard_error(gap)
            print(f"{name} {where:<9}difference  {mean:+.4f} ± {error:.4f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    sets = ["magic", *CURVES]
    parser.add_argument("--sets", nargs="+", default=sets)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--peer-python", help="a Python that has engression")
    options = parser.parse_args()
    for name in options.sets:
        compare(name, options.epochs, options.seeds, options.peer_python)


if __name__ == "__main__":
    main()
