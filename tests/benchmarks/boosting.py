"""When boosting pays: rules of training, and equal budgets of parameters and steps.

    python -m tests.benchmarks.boosting rules [--sets NAME ...] [--seeds 0 1 2]
    python -m tests.benchmarks.boosting budget [--sets NAME ...] [--seeds 0 1 2]

`rules`: mixtures of three flows whose second and third are trained by each rule, and
by plain maximum likelihood (an ensemble). The first component is the same for all.

`budget`: the component alone with a component's epochs and with those of all three;
three boosted ones; one flow with three times the layers, so with the parameters and
the steps of all three.

Held-out nats a row, mean ± deviation over seeds, higher is better. Toys: 5,000 rows to
train, 1,000 to stop on, 5,000 held out, two affine couplings of 2 × 32 units, N(0, I).
magic, texture: as in `tests.benchmarks.quality`, two spline couplings of 2 × 64 units
and the default mixture base. digits: Glow, one level of two steps. Adam with a cosine
schedule of its own for each training; the best epoch on the validation rows.
"""

import argparse
import collections
import time

import keras
import numpy as np

from tests.benchmarks import quality
from tfp_flows import data
from tfp_flows.architectures import assembly, coupling_flow, glow
from tfp_flows.models import BoostedFlow
from tfp_flows.models.boosted.callbacks import copies
from tfp_flows.objectives import ResidualWeights

TOYS = ("eight-gaussians", "checkerboard", "rings", "pinwheel")
# Epochs of a component, batch size, learning rate.
PLANS = {
    **dict.fromkeys(TOYS, (40, 200, 3e-3)),
    "magic": (20, 512, 1e-3),
    "texture": (40, 256, 1e-3),
    "digits": (20, 128, 1e-3),
}
RULES = {
    "mixture": "mixture",
    "residual": "residual",
    "tempered": "tempered",
    "ensemble": ResidualWeights(power=0.0),
}
COMPONENTS = 3


def load(name):
    """Train, validation and test rows."""
    if name in TOYS:
        from tfp_flows.data.builtin.toys import TOYS as generators

        rows = generators[name][1](11_000, np.random.default_rng(0))
        return np.split(rows.astype("float32"), [5_000, 6_000])
    if name == "digits":
        rows = data.load("digits").values.reshape(-1, 8, 8, 1)
        rows = rows[np.random.default_rng(0).permutation(len(rows))]
        return np.split(rows.astype("float32"), [1_437, 1_617])
    return [part.astype("float32") for part in quality.load(name, copies=False)]


def component(name, rows, seed, depth=1):
    """The flow that is boosted, or one of `depth` times its layers."""
    if name in TOYS:
        return coupling_flow(
            2,
            transform="affine",
            num_layers=2 * depth,
            hidden_sizes=(32, 32),
            base=assembly.standard_normal(2, "float32"),
            seed=seed,
        )
    if name == "digits":
        return glow(
            (8, 8, 1), num_values=17, num_levels=1, steps_per_level=2 * depth, seed=seed
        )
    return coupling_flow(
        rows.shape[1], num_layers=2 * depth, hidden_sizes=(64, 64), seed=seed
    )


def optimizer(name, rows, epochs):
    _, batch, rate = PLANS[name]
    steps = epochs * -(-len(rows) // batch)
    schedule = keras.optimizers.schedules.CosineDecay(rate, steps)
    return keras.optimizers.Adam(schedule, global_clipnorm=10.0)


def boosted(name, parts, seed, num_components, epochs, rule="mixture", depth=1):
    """Trains and returns the model; with one component the flow alone."""
    keras.utils.set_random_seed(seed)
    model = BoostedFlow(
        lambda index: component(name, parts[0], 1000 * seed + 100_000 * index, depth),
        num_components,
        rule=rule,
        patience=None,
    )
    fit(model, name, parts, epochs)
    return model


def nats(model, test):
    return -model.evaluate(test, batch_size=512, verbose=0)


def fit(model, name, parts, epochs):
    rows, validation, _ = parts
    model.compile(optimizer(name, rows, epochs))
    model.fit(
        rows,
        batch_size=PLANS[name][1],
        epochs=epochs,
        validation_data=validation,
        verbose=0,
    )


def run_rules(name, seed):
    """Rule → held-out nats, from one first component."""
    parts = load(name)
    epochs = PLANS[name][0]
    first = boosted(name, parts, seed, 1, epochs)
    values = copies(first.component_models[0].variables)
    found = {"component": (nats(first, parts[2]), first.stages)}
    for title, rule in RULES.items():
        keras.utils.set_random_seed(seed)
        model = BoostedFlow(
            lambda index: component(name, parts[0], 1000 * seed + 100_000 * index),
            1,
            rule=rule,
            patience=None,
        )
        known = model.component_models[0].variables
        for variable, value in zip(known, values, strict=True):
            variable.assign(value)
        model.stages = list(first.stages)
        model.num_components = COMPONENTS
        fit(model, name, parts, epochs)
        found[title] = (nats(model, parts[2]), model.stages)
    return found


def run_budget(name, seed):
    """Title → held-out nats."""
    parts = load(name)
    epochs = PLANS[name][0]
    found = {}
    for title, count, factor, depth in (
        ("component", 1, 1, 1),
        ("component, 3 × steps", 1, COMPONENTS, 1),
        ("3 boosted", COMPONENTS, 1, 1),
        ("3 × deeper, 3 × steps", 1, COMPONENTS, COMPONENTS),
    ):
        model = boosted(name, parts, seed, count, factor * epochs, depth=depth)
        found[title] = (nats(model, parts[2]), model.stages)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("rules", "budget"))
    parser.add_argument("--sets", nargs="+", choices=tuple(PLANS), default=list(PLANS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    arguments = parser.parse_args()
    run = {"rules": run_rules, "budget": run_budget}[arguments.what]
    table = {}
    for name in arguments.sets:
        found = collections.defaultdict(list)
        for seed in arguments.seeds:
            start = time.perf_counter()
            for title, (value, stages) in run(name, seed).items():
                found[title].append(value)
                weights = " ".join(f"{w:.2f}" for w in stages[-1].weights)
                size = min(stage.effective_sample_size for stage in stages)
                print(
                    f"{name:16}seed {seed} {title:24}{value:9.3f}   weights {weights}"
                    f"   least effective sample size {size:.0%}",
                    flush=True,
                )
            print(f"{'':16}{time.perf_counter() - start:.0f} s", flush=True)
        table[name] = found
        summary(table)


def summary(table):
    titles = list(next(iter(table.values())))
    print(f"\n{'':26}" + "".join(f"{name:>20}" for name in table))
    for title in titles:
        cells = (
            f"{np.mean(found[title]):.3f} ± {np.std(found[title]):.3f}"
            for found in table.values()
        )
        print(f"{title:26}" + "".join(f"{cell:>20}" for cell in cells), flush=True)
    print(flush=True)


if __name__ == "__main__":
    main()
