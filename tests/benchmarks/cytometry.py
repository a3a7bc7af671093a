"""Wells of a flow cytometer as domains: bacteria that grew in different mixtures.

    pip download --no-deps FlowCytometryTools==0.5.1
    python -m tests.benchmarks.cytometry WHEEL [--epochs 60] [--transport-weight 0.3]

Areas and heights of five detectors, 10,000 cells a well, arcsinh(x / 150), standard
deviations of the target. Two wells of unlike mixtures (H1, H12), two replicates
(A4, B4), and the odd and even cells of A4, between which nothing should move. Half of
the cells train; of the others: how often the nearest cell tells translated from real
ones, on all channels and on the
mean and the worst of their pairs, each beside what real cells are told from real ones
by; cells flagged as extrapolated; how far single cells move, root mean square of each
channel, on average and at most. FCS files: Seamer et al. (1997), "FCS3.0".
"""

import argparse
import itertools
import pathlib
import re
import time
import zipfile

import keras
import numpy as np

from tfp_flows.cli.results.fitted import is_extrapolated
from tfp_flows.diagnostics import classifier_two_sample_test, p_values
from tfp_flows.models import AlignFlow

FOLDER = "FlowCytometryTools/tests/data/"
PAIRS = {
    "H1 ↔ H12": ("Plate02/Mixed_Well_H1.001", "Plate02/Mixed_Well_H12.001"),
    "A4 ↔ B4": ("Plate01/CFP_Well_A4", "Plate01/CFP_Well_B4"),
}


def cells(content):
    """Areas and heights of an FCS 3.0 file of 32-bit numbers, [N, D]."""
    start, end = int(content[10:18]), int(content[18:26])
    text = content[start : end + 1].decode("latin1").strip()
    parts = text[1:-1].split(text[0])
    known = dict(zip(parts[::2], parts[1::2], strict=False))
    count, size = int(known["$TOT"]), int(known["$PAR"])
    names = [known[f"$P{i + 1}N"] for i in range(size)]
    order = "<f4" if known["$BYTEORD"].startswith("1") else ">f4"
    start = int(known["$BEGINDATA"])
    rows = np.frombuffer(content, order, count * size, start).reshape(count, size)
    kept = [i for i, name in enumerate(names) if re.search("-[AH]$", name)]
    return np.arcsinh(rows[:, kept].astype("float64") / 150)


def told_apart(real, others, columns):
    found = classifier_two_sample_test(real[:, columns], others[:, columns])
    return found.statistic, found.null


def measure(model, held_out, source, target):
    x, y = held_out[source], held_out[target]
    translated = model.translate(x, source, target).numpy().astype("float64")
    density = [model.log_prob(rows, target).numpy() for rows in (translated, y)]
    flagged = is_extrapolated(p_values(*density), len(y)).mean()
    scale = y.std(axis=0)
    moved = np.sqrt(np.mean(((translated - x) / scale) ** 2, axis=0))
    real, before, after = (rows[:2000] / scale for rows in (y, x, translated))
    everything = range(x.shape[1])
    cells = [told_apart(real, rows, list(everything)) for rows in (before, after)]
    pairs = np.array(
        [
            told_apart(real[:1000], after[:1000], list(pair))
            for pair in itertools.combinations(everything, 2)
        ]
    )
    worst = pairs[np.argmax(pairs[:, 0] - pairs[:, 1])]
    line = [*cells[0][:1], *cells[1], *pairs.mean(axis=0), *worst]
    line += [flagged, moved.mean(), moved.max()]
    print(f"{source + ' → ' + target:<12}" + "".join(f"{v:>8.3f}" for v in line))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheel", type=pathlib.Path)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--matching", default="none")
    parser.add_argument("--transport-weight", type=float, default=0.3)
    arguments = parser.parse_args()
    heads = ["before", "after", "null", "pairs", "null", "worst", "null"]
    heads += ["flagged", "moved", "most"]
    print(f"{'':<12}" + "".join(f"{head:>8}" for head in heads))
    with zipfile.ZipFile(arguments.wheel) as archive:
        wells = {
            name: [cells(archive.read(f"{FOLDER}{file}.fcs")) for file in files]
            for name, files in PAIRS.items()
        }
    wells["odd ↔ even"] = [wells["A4 ↔ B4"][0][i::2] for i in (0, 1)]
    for (name, pair), seed in itertools.product(wells.items(), arguments.seeds):
        keras.utils.set_random_seed(seed)
        rows = dict(zip(name.split(" ↔ "), pair, strict=True))
        # Cells stand in the order of their passage.
        train = {well: table[::2] for well, table in rows.items()}
        held_out = {well: table[1::2] for well, table in rows.items()}
        model = AlignFlow.for_tables(
            list(rows),
            10,
            matching=arguments.matching,
            transport_weight=arguments.transport_weight,
            seed=seed,
        )
        rate = keras.optimizers.schedules.CosineDecay(1e-3, 20 * arguments.epochs)
        model.compile(keras.optimizers.Adam(rate, global_clipnorm=10.0))
        start = time.perf_counter()
        model.fit(train, epochs=arguments.epochs, verbose=0)
        print(f"{name}, seed {seed}, {time.perf_counter() - start:.0f} s", flush=True)
        for source, target in itertools.permutations(rows):
            measure(model, held_out, source, target)


if __name__ == "__main__":
    main()
