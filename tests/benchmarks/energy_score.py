"""Flows trained by the energy score: quality beside the null, and what it costs.

    python -m tests.benchmarks.energy_score [gaussian toys digits patches steps]
        [--epochs 40] [--seed 0]

"gaussian": AR(1) with correlation 0.8 in 4 columns, two blocks of two, 20,000 rows,
batch 250, teacher forcing with two draws; energy distance to fresh rows. "toys": the
coupling flow of the tables on four 2-D sets, 256 shared draws. "digits": scikit-learn's
8 × 8 in blocks of 8 × 8, 4 × 4 and 2 × 2 pixels, ten times the epochs, by the score and
by likelihood; samples rounded to whole levels; energy distance and the accuracy of a
nearest neighbour beside what training rows give against held-out ones. "patches": all
4 × 4 patches of 28 × 28, by box sums and one by one. "steps": milliseconds of a step
of one coupling flow, by each objective. engression is no part of the environment.
"""

import argparse
import time

import keras
import numpy as np
import tensorflow as tf

from tfp_flows import data
from tfp_flows.architectures import assembly, coupling_flow, semi_autoregressive_flow
from tfp_flows.diagnostics import classifier_two_sample_test, energy_distance
from tfp_flows.models import FlowModel
from tfp_flows.objectives import EnergyScore


def trained(distribution, objective, x, epochs, batch=250, rate=2e-3):
    """The model, and seconds."""
    model = FlowModel(distribution, objective=objective)
    steps = epochs * -(-len(x) // batch)
    schedule = keras.optimizers.schedules.CosineDecay(rate, steps)
    model.compile(keras.optimizers.Adam(schedule, global_clipnorm=10.0))
    start = time.perf_counter()
    model.fit(x, epochs=epochs, batch_size=batch, verbose=0)
    return model, time.perf_counter() - start


def show(name, real, samples, extra=""):
    distance = energy_distance(real, samples)
    nearest = classifier_two_sample_test(real, samples)
    print(
        f"{name:<34} energy distance {distance.statistic:8.4f} "
        f"(null {distance.null:7.4f} ± {distance.error:.4f})  nearest neighbour "
        f"{nearest.statistic:.3f} (null {nearest.null:.3f} ± {nearest.error:.3f}) "
        f"{extra}",
        flush=True,
    )


def gaussian(epochs, seed):
    places = np.arange(4)
    covariance = 0.8 ** np.abs(places[:, None] - places)
    rng = np.random.default_rng(seed)
    x = rng.multivariate_normal(np.zeros(4), covariance, 20_000)
    fresh = rng.multivariate_normal(np.zeros(4), covariance, 6_000)
    for beta in (1.0, 0.5):
        flow = semi_autoregressive_flow(
            [2, 2], transform="affine", hidden_sizes=(64, 64), seed=seed
        )
        objective = EnergyScore(beta, teacher_forcing=True)
        model, seconds = trained(flow, objective, x, epochs)
        samples = model.sample(3_000, seed=1).numpy()
        show(f"gaussian, beta {beta}", fresh, samples, f"{seconds:.0f} s")


def toys(epochs, seed):
    for name in ("moons", "pinwheel", "rings", "eight-gaussians"):
        x = data.load(name).values
        normal = assembly.standard_normal(2, "float32")
        flow = coupling_flow(2, hidden_sizes=(64, 64), base=normal, seed=seed)
        model, seconds = trained(flow, EnergyScore(), x[:10_000], epochs)
        samples = model.sample(2_000, seed=1).numpy()
        show(name, x[-4_000:], samples, f"{seconds:.0f} s")


def digits(epochs, seed):
    images = data.load("digits").values.reshape(-1, 8, 8)
    rng = np.random.default_rng(seed)
    images = images[rng.permutation(len(images))]
    for side in (8, 4, 2):
        count = 8 // side
        blocks = images.reshape(-1, count, side, count, side).swapaxes(2, 3)
        rows = blocks.reshape(len(images), 64)
        train, test = rows[:-500], rows[-500:]
        if side == 8:
            show("training rows", test, train[:500])
        noisy = train + rng.uniform(size=train.shape)
        for name, objective in (
            ("score", EnergyScore(teacher_forcing=True)),
            ("likelihood", None),
        ):
            flow = semi_autoregressive_flow([side**2] * count**2, seed=seed)
            model, seconds = trained(flow, objective, noisy, 10 * epochs, 100, 1e-3)
            likelihood = np.mean(model.log_prob(test + 0.5))
            start = time.perf_counter()
            samples = np.floor(model.sample(1_000, seed=1)).clip(0, 16)
            drawn = time.perf_counter() - start
            shown = f"{seconds:.0f} s, {drawn:.2f} s to draw, {likelihood:.1f} nats"
            show(f"{count**2} blocks, {name}", test, samples, shown)


def patches(epochs, seed):
    del epochs
    rng = np.random.default_rng(seed)
    x, draws = rng.normal(size=[32, 28, 28, 1]), rng.normal(size=[2, 32, 28, 28, 1])
    x, draws = x.astype("float32"), draws.astype("float32")

    def one_by_one(x, draws):
        cut = [
            tf.image.extract_patches(
                tf.reshape(d, [-1, 28, 28, 1]),
                *([1, 4, 4, 1], [1, 1, 1, 1], [1, 1, 1, 1], "VALID"),
            )
            for d in (draws - x, draws[1:] - draws[:1])
        ]
        norms = [tf.reduce_mean(tf.norm(c, axis=-1), axis=[1, 2]) for c in cut]
        return tf.reduce_mean(tf.reshape(norms[0], [2, 32]), 0) - 0.5 * norms[1]

    found = []
    for name, score in (
        ("box sums", EnergyScore(patch=4).score),
        ("one by one", one_by_one),
    ):
        compiled = tf.function(score)
        found.append(compiled(x, draws).numpy())
        print(f"{name:<12} {milliseconds(lambda c=compiled: c(x, draws)):.2f} ms")
    print(f"largest difference {np.abs(found[0] - found[1]).max():.1e}")


def steps(epochs, seed):
    del epochs
    x = np.random.default_rng(seed).normal(size=[512, 10]).astype("float32")
    for name, objective in (
        ("likelihood", None),
        ("score, 256 shared draws", EnergyScore()),
        ("score, 512 shared draws", EnergyScore(draws=512)),
        ("score, 64 directions", EnergyScore(projections=64)),
    ):
        flow = coupling_flow(10, base=assembly.standard_normal(10, "float32"))
        model = FlowModel(flow, objective=objective)
        model.compile("adam")
        model.train_on_batch(x)
        spent = milliseconds(lambda m=model: m.train_on_batch(x))
        print(f"{name:<26} {spent:.1f} ms a step of 512 rows", flush=True)


def milliseconds(function, repeats=20):
    """The median."""
    spent = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        spent.append(time.perf_counter() - start)
    return 1e3 * np.median(spent)


PARTS = {f.__name__: f for f in (gaussian, toys, digits, patches, steps)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", default=[*PARTS], choices=[*PARTS])
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for name in options.parts:
        keras.utils.set_random_seed(options.seed)
        PARTS[name](options.epochs, options.seed)


if __name__ == "__main__":
    main()
