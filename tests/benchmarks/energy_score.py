"""Flows trained by the energy score: quality beside the null, and what it costs.

    python -m tests.benchmarks.energy_score [gaussian toys digits patches steps]
        [--epochs 40] [--seed 0]

"gaussian": AR(1) with correlation 0.8 in 4 columns, two blocks of two, 20,000 rows,
batch 250, teacher forcing with two draws; energy distance to fresh rows. "toys": the
coupling flow of the tables on four 2-D sets, 256 shared draws; and an implicit
distribution of one column after the other, eight draws a row, batch 1,000 and ten times
the epochs. "digits": scikit-learn's
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
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import StratifiedKFold, cross_val_score
from tensorflow_probability import distributions as tfd

from tfp_flows import data
from tfp_flows.architectures import assembly, coupling_flow, semi_autoregressive_flow
from tfp_flows.bijectors import Coupling
from tfp_flows.diagnostics import classifier_two_sample_test, energy_distance
from tfp_flows.distributions import ImplicitDistribution
from tfp_flows.models import FlowModel
from tfp_flows.objectives import EnergyScore
from tfp_flows.ops import Affine, RationalQuadratic


def trained(distribution, objective, x, epochs, batch=250, rate=2e-3):
    """The model, and seconds."""
    model = FlowModel(distribution, objective=objective)
    steps = epochs * -(-len(x) // batch)
    schedule = keras.optimizers.schedules.CosineDecay(rate, steps)
    model.compile(keras.optimizers.Adam(schedule, global_clipnorm=10.0))
    start = time.perf_counter()
    model.fit(x, epochs=epochs, batch_size=batch, verbose=0)
    return model, time.perf_counter() - start


def show(name, real, samples, extra="", beta=1.0):
    distance = energy_distance(real, samples, beta=beta)
    nearest = classifier_two_sample_test(real, samples)
    half = min(len(real), len(samples))
    both = np.concatenate([real[:half], samples[:half]])
    forest = RandomForestClassifier(200, n_jobs=1, random_state=0)
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    told = cross_val_score(forest, both, np.repeat([0, 1], half), cv=folds).mean()
    print(
        f"{name:<34} energy distance {distance.statistic:8.4f} "
        f"(null {distance.null:7.4f} ± {distance.error:.4f})  nearest neighbour "
        f"{nearest.statistic:.3f} (null {nearest.null:.3f} ± {nearest.error:.3f})  "
        f"forest {told:.3f}  "
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
        for way, objective in (("score", EnergyScore()), ("likelihood", None)):
            normal = assembly.standard_normal(2, "float32")
            flow = coupling_flow(2, hidden_sizes=(64, 64), base=normal, seed=seed)
            plane(f"{name}, {way}", x, flow, objective, epochs)
        keras.utils.set_random_seed(seed)
        one_by_one = ImplicitDistribution(2, block_sizes=[1, 1], seed=seed)
        objective = EnergyScore(teacher_forcing=True, draws=8)
        name = f"{name}, score, column by column"
        plane(name, x, one_by_one, objective, 10 * epochs, batch=1_000)


def tails(epochs, seed):
    """t with 1½ degrees of freedom: |x|^β has a variance for β below ¾ alone."""
    x = np.random.default_rng(seed).standard_t(1.5, size=[14_000, 2])
    x[:, 1] += x[:, 0] ** 2 / (1 + np.abs(x[:, 0]))
    scores = {f"score, beta {beta}": EnergyScore(beta) for beta in (1.0, 0.5)}
    for way, objective in {**scores, "likelihood": None}.items():
        base = tfd.Sample(tfd.StudentT(1.5, 0.0, 1.0), 2)
        layers = [
            Coupling(2, transform=transform(), flip=flip, hidden_sizes=(64, 64), seed=i)
            for i, flip in enumerate((False, True, False, True))
            for transform in (RationalQuadratic, Affine)
        ]
        flow = assembly.flow(base, layers, "tails")
        plane(f"tails, {way}", x, flow, objective, epochs, beta=0.5)


def plane(name, x, flow, objective, epochs, beta=1.0, batch=250):
    train, test = x[:10_000], x[-4_000:]
    model, seconds = trained(flow, objective, train, epochs, batch)
    samples = model.sample(2_000, seed=1).numpy()
    nats = f"{np.mean(model.log_prob(test)):.3f}" if model.has_density else "no"
    show(name, test, samples, f"{seconds:.0f} s, {nats} nats", beta)


def digits(epochs, seed):
    images = data.load("digits").values.reshape(-1, 8, 8)
    pictures(images, (8, 4, 2), 500, 17, 10 * epochs, seed)


def mnist(epochs, seed):
    images = data.load("mnist5k").values.reshape(-1, 28, 28)
    options = {"num_layers": 2, "num_features": 64}
    pictures(images, (7, 4), 1_000, 256, epochs // 4, seed, **options)


def pictures(images, sides, num_test, levels, epochs, seed, **options):
    """Square patches as blocks, by the score and by likelihood."""
    rng = np.random.default_rng(seed)
    images = images[rng.permutation(len(images))]
    width = images.shape[-1]
    for side in sides:
        count = width // side
        blocks = images.reshape(-1, count, side, count, side).swapaxes(2, 3)
        rows = blocks.reshape(len(images), width**2)
        train, test = rows[:-num_test], rows[-num_test:]
        if side == sides[0]:
            show("training rows", test, train[:num_test])
        noisy = train + rng.uniform(size=train.shape)
        for name, objective in (
            ("score", EnergyScore(teacher_forcing=True)),
            ("likelihood", None),
        ):
            sizes = [side**2] * count**2
            flow = semi_autoregressive_flow(sizes, seed=seed, **options)
            model, seconds = trained(flow, objective, noisy, epochs, 100, 1e-3)
            likelihood = np.mean(model.log_prob(test + 0.5))
            model.sample(1_000, seed=0)
            start = time.perf_counter()
            drawn = model.sample(1_000, seed=1).numpy()
            spent = time.perf_counter() - start
            samples = np.floor(drawn).clip(0, levels - 1)
            shown = f"{seconds:.0f} s, {spent:.2f} s to draw, {likelihood:.1f} nats"
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


PARTS = {f.__name__: f for f in (gaussian, toys, tails, digits, mnist, patches, steps)}


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
